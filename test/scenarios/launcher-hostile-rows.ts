/** What callers of the launcher try; see launcher-hostile.ts. `code` is Python, run as joe before the launcher is. */

/** One attempt. */
export interface Row {
  group: string;
  name: string;
  /** `queued`, or how it ends with nothing in the queue. */
  expected: string;
  code?: string;
  /** The whole environment; `place` is joe's directory. */
  environment?: (place: string) => Record<string, string>;
  /** Whether an unfinished message may stay, which qmail-send removes after 36 hours. */
  leaves?: true;
}

const row = (group: string, name: string, expected: string, code: string): Row => ({
  group,
  name,
  expected,
  code,
});

const variable = (name: string, value: (place: string) => string): Row => ({
  group: "environment",
  name,
  expected: "queued",
  environment: (place) => ({ [name]: value(place) }),
});

const environment: Row[] = [
  variable("LD_PRELOAD", (place) => `${place}/evil.so`),
  variable("LD_AUDIT", (place) => `${place}/evil.so`),
  variable("LD_LIBRARY_PATH", (place) => place),
  variable("GCONV_PATH", (place) => place),
  variable("LOCPATH", (place) => place),
  variable("GLIBC_TUNABLES", () => `glibc.malloc.check=3:${"x".repeat(4000)}`),
  variable("MALLOC_TRACE", (place) => `${place}/ran`),
  variable("BUN_BE_BUN", () => "1"),
  variable("BUN_OPTIONS", (place) => `--preload ${place}/evil.js`),
  variable("BUN_INSPECT", () => "127.0.0.1:9229"),
  variable("BUN_CONFIG_VERBOSE_FETCH", () => "1"),
  variable("BUN_JSC_dumpOptions", () => "2"),
  variable("BUN_INSTALL", (place) => place),
  variable("NODE_OPTIONS", (place) => `--require ${place}/evil.js`),
  variable("NODE_PATH", (place) => place),
  variable("NODE_EXTRA_CA_CERTS", (place) => `${place}/evil.js`),
  variable("HOME", (place) => place),
  variable("XDG_CONFIG_HOME", (place) => place),
  variable("TMPDIR", (place) => place),
  variable("PATH", (place) => `${place}/bin`),
  variable("TZ", () => ":/etc/shadow"),
  variable("QMAILHOME", (place) => place),
  variable("QMAILQUEUE", (place) => `${place}/bin/qmail-queue`),
  {
    group: "environment",
    name: "all of the runtime's variables at once",
    expected: "queued",
    environment: (place) => ({
      BUN_BE_BUN: "1",
      BUN_OPTIONS: `--preload ${place}/evil.js`,
      NODE_OPTIONS: `--require ${place}/evil.js`,
      LD_PRELOAD: `${place}/evil.so`,
      HOME: place,
    }),
  },
  row("environment", ".env, bunfig.toml, package.json in place", "queued", ""),
  row("environment", "20,000 variables", "queued", 'env = {"V%d" % number: "x" for number in range(20000)}'),
  row(
    "environment",
    "no environment, directory removed",
    "queued",
    'os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")',
  ),
  row(
    "environment",
    "directory without rights",
    "queued",
    'os.mkdir("shut"); os.chdir("shut"); os.chmod(".", 0)',
  ),
];

/** Every set of closed standard descriptors. Without 0 or 1 there is nothing to read. */
const closed: Row[] = [1, 2, 3, 4, 5, 6, 7].map((set) => {
  const fds = [0, 1, 2].filter((fd) => set & (1 << fd));
  return row(
    "descriptors",
    `${fds.join(", ")} closed`,
    set === 4 ? "queued" : "exit 54",
    fds.map((fd) => `os.close(${fd})`).join("; "),
  );
});

const descriptors: Row[] = [
  ...closed,
  row("descriptors", "0 is a directory", "exit 54", 'os.dup2(os.open(".", os.O_RDONLY), 0)'),
  row("descriptors", "0 is write-only", "exit 54", 'os.dup2(os.open("output", os.O_WRONLY), 0)'),
  row("descriptors", "1 is a directory", "exit 54", 'os.dup2(os.open(".", os.O_RDONLY), 1)'),
  row("descriptors", "0 and 1 are the same open file", "exit 54", "os.dup2(0, 1)"),
  row("descriptors", "1 is empty", "exit 54", 'os.dup2(os.open("/dev/null", os.O_RDONLY), 1)'),
  row("descriptors", "1 is noise", "exit 91", 'os.dup2(os.open("message", os.O_RDONLY), 1)'),
  row("descriptors", "2 is a full device", "queued", 'os.dup2(os.open("/dev/full", os.O_WRONLY), 2)'),
  row("descriptors", "6 is closed for writing", "queued", 'os.dup2(os.open("message", os.O_RDONLY), 6)'),
  row(
    "descriptors",
    "3 to 500 open",
    "queued",
    'for fd in range(3, 501): os.dup2(os.open("output", os.O_RDWR), fd)',
  ),
  row(
    "descriptors",
    "one above the limit of open files",
    "queued",
    "limit(resource.RLIMIT_NOFILE, 400); os.dup2(2, 399); limit(resource.RLIMIT_NOFILE, 64)",
  ),
];

const hard = (name: string, which: string, value: string, expected: string): Row =>
  row("limits", name, expected, `limit(resource.RLIMIT_${which}, ${value})`);

const tooLow = "exit 51";

const limits: Row[] = [
  hard("file size 0", "FSIZE", "0", "exit 53"),
  hard("open files 3", "NOFILE", "3", tooLow),
  hard("open files 31", "NOFILE", "31", tooLow),
  hard("open files 32", "NOFILE", "32", "queued"),
  hard("address space 64 MB", "AS", "64 << 20", tooLow),
  hard("address space 4 GB", "AS", "4 << 30", "queued"),
  hard("data 16 MB", "DATA", "16 << 20", tooLow),
  hard("data 4 GB", "DATA", "4 << 30", "queued"),
  hard("stack 64 kB", "STACK", "64 << 10", tooLow),
  hard("stack 1 MB", "STACK", "1 << 20", "queued"),
  hard("stack unlimited", "STACK", "resource.getrlimit(resource.RLIMIT_STACK)[1]", "queued"),
  hard("processes 0", "NPROC", "0", tooLow),
  hard("processes 16", "NPROC", "16", "queued"),
  hard("processor time 1 s", "CPU", "1", "queued"),
  hard("locked memory 0", "MEMLOCK", "0", "queued"),
  hard("pending signals 0", "SIGPENDING", "0", "queued"),
  hard("core file as large as may be", "CORE", "resource.getrlimit(resource.RLIMIT_CORE)[1]", "queued"),
  row(
    "limits",
    "all soft limits as low as they get",
    "queued",
    `for which, soft in (("FSIZE", 1), ("NOFILE", 4), ("AS", 64 << 20), ("DATA", 32 << 20), ("STACK", 256 << 10), ("CPU", 1), ("CORE", 0), ("NPROC", 1)):
    number = getattr(resource, "RLIMIT_" + which); resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))`,
  ),
  row("limits", "nice 19", "queued", "os.nice(19)"),
  row("limits", "umask 0777", "queued", "os.umask(0o777)"),
  row("limits", "umask 0", "queued", "os.umask(0)"),
];

const everySignal = "[number for number in range(1, 65) if number not in (9, 19, 32, 33)]";

const signals: Row[] = [
  row(
    "signals",
    "all ignored",
    "queued",
    `for number in ${everySignal}: signal.signal(number, signal.SIG_IGN)`,
  ),
  row("signals", "all blocked", "queued", `signal.pthread_sigmask(signal.SIG_BLOCK, ${everySignal})`),
  row(
    "signals",
    "all blocked and pending",
    "queued",
    `signal.pthread_sigmask(signal.SIG_BLOCK, ${everySignal}); [os.kill(os.getpid(), number) for number in ${everySignal} if number not in (18, 20, 21, 22)]`,
  ),
  row(
    "signals",
    "SIGALRM pending",
    "queued",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [14]); os.kill(os.getpid(), 14)",
  ),
  row(
    "signals",
    "three timers, and a message that takes longer",
    "queued",
    `for timer in (0, 1, 2): signal.setitimer(timer, 0.4)
ends = os.pipe()
if os.fork() == 0:
    signal.setitimer(0, 0); os.close(ends[0]); text = os.read(0, 10000); time.sleep(0.8); os.write(ends[1], text); os._exit(0)
os.dup2(ends[0], 0); os.close(ends[0]); os.close(ends[1])`,
  ),
  row(
    "signals",
    "a child that ends, SIGCHLD ignored",
    "queued",
    "signal.signal(17, signal.SIG_IGN); os.fork() or os._exit(0)",
  ),
];

/** Starts the launcher with a message that does not end, does something to it, and ends as it ended. */
const whileWaiting = (deed: string): string => `
ends = os.pipe(); launch = False
pid = os.fork()
if pid == 0:
    os.dup2(ends[0], 0); os.close(ends[0]); os.close(ends[1]); os.execve(queue, argv, env)
os.close(ends[0])
for _ in range(1000):
    if b"qmail-ts" in open("/proc/%d/comm" % pid, "rb").read(): break
    time.sleep(0.01)
time.sleep(0.1)
def denied(what):
    try: what()
    except PermissionError: return
    os.kill(pid, 9); os._exit(99)
def ended():
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status): signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) != 9 else None; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))
${deed}`;

const finish = 'os.write(ends[1], open("message", "rb").read()); os.close(ends[1]); ended()';

const ptrace = (request: number): string =>
  `if libc.ptrace(${request}, pid, None, None) == -1: raise OSError(ctypes.get_errno(), "ptrace")`;

const others: Row[] = [
  row("arguments", "100,000 of them", "queued", 'argv += ["x"] * 100000'),
  row(
    "arguments",
    "-e CODE, --preload FILE",
    "queued",
    'argv += ["-e", "process.exit(7)", "--preload", "evil.js"]',
  ),
  row("arguments", "--version", "queued", 'argv += ["--version"]'),
  row("arguments", "--resident and noise", "exit 91", 'argv += ["--resident"]'),
  row("arguments", "called bun", "queued", 'argv = ["bun", "run", "evil.js"]'),
  row("arguments", "called qmail-send", "queued", 'argv = ["/var/qmail/bin/qmail-send"]'),
  row(
    "arguments",
    "called nothing",
    "queued",
    'words = (ctypes.c_char_p * 2)(b"", None); libc.execve(queue.encode(), words, words); os._exit(98)',
  ),
  row(
    "arguments",
    "no argument 0",
    "queued",
    "none = (ctypes.c_char_p * 1)(None); libc.execve(queue.encode(), none, none); os._exit(98)",
  ),
  row("arguments", "by a link of another name", "queued", 'os.symlink(queue, "qmail"); queue = "./qmail"'),
  row("rights", "no new privileges: the bit has no effect", "exit 62", "libc.prctl(38, 1, 0, 0, 0)"),
  row(
    "rights",
    "a user namespace of its own: the bit has no effect",
    "exit 62",
    // Where nobody may make one, there is nothing to try.
    "if libc.unshare(0x10000000) == -1: os._exit(62)",
  ),
  row(
    "rights",
    "traced from the start: the bit has no effect",
    "exit 62",
    `launch = False
pid = os.fork()
if pid == 0:
    libc.ptrace(0, 0, None, None); os.execve(queue, argv, env)
while True:
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status): os._exit(os.WEXITSTATUS(status))
    if os.WIFSIGNALED(status): os._exit(97)
    libc.ptrace(7, pid, None, None)`,
  ),
  row(
    "rights",
    "tracing it while it waits is refused",
    "queued",
    whileWaiting(`def trace():
    ${ptrace(16)}
denied(trace); ${finish}`),
  ),
  row(
    "rights",
    "its memory, files and directory are out of reach",
    "queued",
    whileWaiting(`
denied(lambda: open("/proc/%d/mem" % pid, "r+b"))
denied(lambda: open("/proc/%d/environ" % pid, "rb").read())
denied(lambda: os.listdir("/proc/%d/fd" % pid))
denied(lambda: os.readlink("/proc/%d/cwd" % pid))
denied(lambda: os.open("/proc/%d/root/var/qmail/queue/pid" % pid, os.O_RDONLY))
${finish}`),
  ),
  {
    ...row(
      "rights",
      "killed by its caller: no core file",
      "signal SIGSEGV",
      whileWaiting("os.kill(pid, 11); ended()"),
    ),
    leaves: true,
  },
  row(
    "rights",
    "the launcher itself can be neither read nor written",
    "queued",
    `
for way in (lambda: open(queue, "rb"), lambda: os.open(queue, os.O_WRONLY)):
    try: way()
    except PermissionError: continue
    os._exit(99)`,
  ),
];

export const rows: readonly Row[] = [...environment, ...descriptors, ...limits, ...signals, ...others];
