/**
 * Where a fault can be injected: the system calls of one run, as strace counts them. strace counts each call by its
 * name, in each thread by itself; so does a point.
 *
 * Left out are the calls of the runtime: all before the first that names a file of the scratch directory (loading
 * libraries, JavaScript and /proc), and later on those about memory, threads, clocks, ids and the event loop. A fault
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
  /"\/(proc|sys|lib|usr|etc)\/(?!self\/fdinfo)|<\/(proc|sys|usr|lib|etc)\/(?!\d+\/fdinfo)|<anon_inode:/;

/**
 * The points of a trace of `strace -f -y`, whose programs work below `scratch`. `all`: those of every thread and child,
 * not only of the first thread.
 */
export function pointsIn(trace: string, scratch: string, all: boolean): Point[] {
  const counts = new Map<string, number>();
  const points = new Map<string, Point>();
  let begun = false;
  let first: string | undefined;
  for (const line of readFileSync(trace, "latin1").split("\n")) {
    const [, thread, call, rest] = /^(?:(\d+) +)?(\w+)(\(.*)$/.exec(line) ?? [];
    if (call === undefined || rest === undefined) continue;
    first ??= thread;
    if (!all && thread !== first) continue;
    const nth = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, nth);
    begun ||= call !== "execve" && rest.includes(`"${scratch}`);
    if (!begun || runtimeCalls.test(call) || runtimeFiles.test(rest)) continue;
    // Threads of the same program are at the same point at the same number.
    points.set(`${call} ${nth}`, { call, nth, text: `${call}${rest}` });
  }
  return [...points.values()];
}

/** What was injected, as strace shows it. */
export function injectedIn(trace: string): string[] {
  return readFileSync(trace, "latin1")
    .split("\n")
    .filter((line) => line.includes("(INJECTED)") || line.includes("+++ killed by SIGKILL"));
}
