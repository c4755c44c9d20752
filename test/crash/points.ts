/**
 * Where a fault can be injected: the system calls of one run, as strace counts them. strace counts each call by its
 * name, in each thread by itself; so does a point.
 *
 * Left out are the calls of the runtime: all before the first that names a file of the scratch directory (loading
 * libraries, JavaScript and /proc), and later on those about memory, threads, clocks, ids, users and the event loop. A fault
 * there tests the runtime only.
 */
import { readFileSync } from "node:fs";

/** The `nth` call of that name in a thread; `text` is the call as strace showed it. */
export interface Point {
  call: string;
  nth: number;
  text: string;
}

const runtimeCalls = new RegExp(
  `^(${[
    "futex|madvise|mmap|munmap|mprotect|mremap|brk|rt_sig.*|sigaltstack|get(res)?[ug]id|gete[ug]id|gettid|getpid|getppid",
    "sched_.*|clock_.*|getrandom|prctl|prlimit64|set_.*|rseq|exit|exit_group|arch_prctl|nanosleep|restart_syscall",
    "epoll_.*|eventfd2|timerfd_.*|umask|alarm|uname|sysinfo|getcwd|tgkill|membarrier|getrusage|clone3",
  ].join("|")})$`,
);

/** Files of the runtime and of the system; what stands in fdinfo is asked for by the programs. */
const runtimeFiles =
  /"\/(proc|sys|lib|usr|etc|run|var\/run)\/(?!self\/fdinfo)|<\/(proc|sys|usr|lib|etc|run)\/(?!\d+\/fdinfo)|<anon_inode:/;

/** The C library looks for who knows users, from the root on. */
const nameService = /\(\d+<\/(usr|lib|etc|run)?>|\(AT_FDCWD<.*>, "\/",/;

const systemFiles = (rest: string): boolean => runtimeFiles.test(rest) || nameService.test(rest);

/**
 * The points of a trace of `strace -f -y`, whose programs work below `scratch`. `all`: those of every thread and child,
 * not only of the first thread; the others have the fault, too, so that what is the runtime's in any thread is left out.
 */
export function pointsIn(trace: string, scratch: string, all: boolean): Point[] {
  const counts = new Map<string, number>();
  const points = new Map<string, Point>();
  const begun = new Set<string | undefined>();
  let first: string | undefined;
  const runtime = new Set<string>();
  for (const line of readFileSync(trace, "latin1").split("\n")) {
    const [, thread, call, rest] = /^(?:(\d+) +)?(\w+)(\(.*)$/.exec(line) ?? [];
    if (call === undefined || rest === undefined) continue;
    first ??= thread;
    if (!all && thread !== first) continue;
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, nth);
    if (call === "execve") begun.delete(thread);
    else if (rest.includes(`"${scratch}`)) begun.add(thread);
    const key = `${call} ${nth}`;
    if (!begun.has(thread) || runtimeCalls.test(call) || systemFiles(rest)) runtime.add(key);
    else points.set(key, { call, nth, text: `${call}${rest}` });
  }
  return [...points].filter(([key]) => !runtime.has(key)).map(([, point]) => point);
}

/** What was injected, as strace shows it. */
export function injectedIn(trace: string): string[] {
  return readFileSync(trace, "latin1")
    .split("\n")
    .filter((line) => line.includes("(INJECTED)") || line.includes("+++ killed by SIGKILL"));
}
