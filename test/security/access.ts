/**
 * What every user of a running system-wide qmail can do with its files, its processes and other people's mail: each
 * attempt is really made, by a process that is this user. Run by access.test.ts inside namespaces of its own; prints what
 * it observed as JSON. As root, it prints the tables:
 *
 *   bun test/security/access.ts
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hashPassword } from "../../src/core/users/poppasswd.ts";
import { openFiles } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { Talk } from "../helpers/talk.ts";
import {
  ann,
  asSomebody,
  filesOf,
  give,
  home,
  homeOf,
  host,
  idsOf,
  installMachine,
  logFile,
  Machine,
  observeIn,
  processes,
  queue,
  run,
  theProcess,
  until,
} from "./machine.ts";

/** Who tries. */
export const users = [
  "qmaild",
  "qmailr",
  "qmails",
  "qmailq",
  "qmaill",
  "qmailp",
  "alias",
  "joe",
  "ann",
] as const;
export type User = (typeof users)[number];

/** By target: by user: a letter for each thing that succeeded. */
export type Table = Record<string, Partial<Record<User, string>>>;

export interface Access {
  /** r read, w write, l list, c create and remove. */
  files: Table;
  /** e environment, f descriptors, m read memory, M write memory, t trace, k signal. */
  processes: Table;
  /** What a program in ann's .qmail sees: descriptors, status, variables, working directory, umask. */
  program: {
    descriptors: string[];
    status: Record<string, string>;
    variables: string[];
    place: string;
    mask: string;
  };
  /** The same later, after other deliveries. */
  again: Access["program"];
  /** Modes and owners of what was delivered before and after by the same warm process. */
  delivered: string[];
  /** Descriptors of the daemons that lead to files, by name. */
  open: Record<string, string[]>;
  /** Who is what: real and effective numbers of the processes, by name. */
  ids: Record<string, [number, number]>;
  check: number;
}

const triesFiles = `
result = {}
for name, path in value.items():
    done = ""
    if os.path.isdir(path) or name.endswith("/"):
        try: os.listdir(path); done += "l"
        except OSError: pass
        try:
            fd = os.open(path + "/tried", os.O_CREAT | os.O_EXCL | os.O_WRONLY); os.close(fd); os.unlink(path + "/tried"); done += "c"
        except OSError: pass
    else:
        for letter, way in (("r", os.O_RDONLY), ("w", os.O_WRONLY)):
            try: os.close(os.open(path, way | os.O_NONBLOCK)); done += letter
            except OSError as failure:
                # A FIFO without a reader was opened all the same.
                if failure.errno == errno.ENXIO: done += letter
    result[name] = done`;

const triesProcesses = `
result = {}
def tracing(pid):
    # PTRACE_SEIZE stops nothing; it ends with this process.
    if libc.ptrace(0x4206, pid, None, None) == -1: raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(17, pid, None, None)
for name, pid in value.items():
    done = ""
    for letter, way in (
        ("e", lambda: open("/proc/%d/environ" % pid, "rb").read()),
        ("f", lambda: os.listdir("/proc/%d/fd" % pid)),
        ("m", lambda: os.close(os.open("/proc/%d/mem" % pid, os.O_RDONLY))),
        ("M", lambda: os.close(os.open("/proc/%d/mem" % pid, os.O_RDWR))),
        ("t", lambda: tracing(pid)),
        ("k", lambda: os.kill(pid, 0)),
    ):
        try: way(); done += letter
        except OSError: pass
    result[name] = done`;

/** The same attempts by every user, turned into a table by target. */
async function tryAll(code: string, value: Record<string, unknown>): Promise<Table> {
  const table: Table = Object.fromEntries(Object.keys(value).map((name) => [name, {}]));
  for (const user of users) {
    const done = await asSomebody<Record<string, string>>(idsOf(user), code, value);
    for (const [name, letters] of Object.entries(done))
      if (letters !== "") table[name] = { ...table[name], [user]: letters };
  }
  return table;
}

const only = (paths: readonly string[]): string => {
  const [path] = paths;
  if (path === undefined) throw new Error("no such file in the queue");
  return path;
};

/** Every kind of file, while one message waits in todo and another for its next attempt. */
function targets(work: string, box: string): Record<string, string> {
  const inQueue = [
    "",
    "pid",
    "mess",
    "intd",
    "todo",
    "info",
    "local",
    "remote",
    "bounce",
    "lock",
    "ask",
    "hold",
  ];
  const place = homeOf(work, "ann");
  return {
    ...Object.fromEntries(
      inQueue.map((name) => [`queue/${name}/`.replace("//", "/"), join(home, "queue", name)]),
    ),
    "queue/mess/0/": join(home, "queue/mess/0"),
    "queue/mess/N/ID": only(filesOf("mess")),
    "queue/intd/ID": only(filesOf("intd")),
    "queue/todo/ID": only(filesOf("todo")),
    "queue/info/N/ID": only(filesOf("info")),
    "queue/remote/N/ID": only(filesOf("remote")),
    "queue/lock/sendmutex": join(home, "queue/lock/sendmutex"),
    "queue/lock/tcpto": join(home, "queue/lock/tcpto"),
    "queue/lock/trigger": join(home, "queue/lock/trigger"),
    "bin/": join(home, "bin"),
    "bin/qmail-queue": join(home, "bin/qmail-queue"),
    "bin/qmail-ts": join(home, "bin/qmail-ts"),
    "control/": join(home, "control"),
    "control/me": join(home, "control/me"),
    "users/": join(home, "users"),
    "users/poppasswd": join(home, "users/poppasswd"),
    "alias/": join(home, "alias"),
    "alias/.qmail-root": join(home, "alias/.qmail-root"),
    "alias/Maildir/new/": join(home, "alias/Maildir/new"),
    rc: join(home, "rc"),
    log: logFile,
    "log/": join(logFile, ".."),
    "ann's home/": place,
    "ann's .qmail-secret": join(place, ".qmail-secret"),
    "ann's Maildir/new/": join(place, "Maildir/new"),
    "ann's mail": box,
    "ann's mbox": join(place, "Mbox"),
    "/etc/shadow": "/etc/shadow",
  };
}

/** The files that a process's descriptors lead to, without numbers that differ from run to run. */
const opened = (pid: number): string[] =>
  openFiles(pid)
    .filter((path) => path.startsWith("/") && !/^\/(dev|proc)\//.test(path))
    .map((path) => path.replace(/\/\d+\/\d+$/, "/N"))
    .sort();

/** What the program wrote about itself. */
function view(path: string): Access["program"] {
  const [descriptors = "", status = "", variables = "", place = "", mask = ""] = readFileSync(
    path,
    "latin1",
  ).split("--\n");
  return {
    descriptors: descriptors
      .split("\n")
      .map((line) => / (\d+) -> (.*)$/.exec(line))
      .flatMap((found) => (found === null ? [] : [`${found[1]} ${found[2]?.replace(/\[\d+\]|\d+/g, "N")}`])),
    status: Object.fromEntries(
      status
        .split("\n")
        .map((line) => line.split(":"))
        .map(([name = "", text = ""]) => [name, text.trim().replace(/\s+/g, " ")])
        .filter(([name]) =>
          /^(Uid|Gid|Groups|SigBlk|SigIgn|SigPnd|CapEff|CapPrm|CapInh|CapAmb)$/.test(name ?? ""),
        ),
    ),
    variables: variables
      .split("\n")
      .map((line) => line.split("=")[0] ?? "")
      .filter((name) => name !== "")
      .sort(),
    place: place.trim(),
    mask: mask.trim(),
  };
}

const looks = (to: string): string =>
  `|(ls -l /proc/self/fd; echo --; cat /proc/self/status; echo --; env; echo --; pwd; echo --; umask) >${to}\n`;

/** ann's deliveries: by the warm process, by a program, by the warm process again, by the program again. */
async function lookAsProgram(machine: Machine): Promise<Pick<Access, "program" | "again" | "delivered">> {
  const place = homeOf(machine.work, "ann");
  const own = idsOf("ann");
  give(join(place, ".qmail-look"), own, looks("look"));
  give(join(place, ".qmail-again"), own, looks("again"));
  give(join(place, ".qmail-mbox"), own, "./Mbox\n");
  give(join(place, ".qmail-both"), own, `./Both\n&ann-mbox@${host}\n`);
  for (const [number, name] of ["ann", "ann-look", "ann-both", "ann-mbox", "ann", "ann-again"].entries()) {
    const sender = `s${number}@${host}`;
    queue(machine.work, idsOf("joe"), sender, [`${name}@${host}`]);
    const message = new RegExp(`info msg (\\d+): bytes \\d+ from <${sender}>`);
    await machine.logs(message);
    await machine.logs(new RegExp(`^end msg ${message.exec(machine.log)?.[1]}$`, "m"));
  }
  const files = [
    "Mbox",
    "Both",
    ...readdirSync(join(place, "Maildir/new")).map((name) => `Maildir/new/${name}`),
  ];
  const stats = run("stat", "-c", "%a %u:%g", ...files.map((name) => join(place, name)));
  return {
    program: view(join(place, "look")),
    again: view(join(place, "again")),
    delivered: stats.trimEnd().split("\n"),
  };
}

async function observe(work: string): Promise<Access> {
  installMachine(work);
  const place = homeOf(work, "ann");
  give(join(place, ".qmail-secret"), idsOf("ann"), "#\n", 0o600);
  give(join(place, ".qmail-sleep"), idsOf("ann"), "|exec sleep 1000\n");
  const hash = hashPassword(Buffer.from("open sesame"));
  give(join(home, "users/poppasswd"), { uid: 0, gid: 0 }, `ann:${hash}\n`, 0o600);
  const machine = new Machine(work);
  await machine.ready();
  await machine.serve(25, `${home}/bin/qmail-smtpd`, "--listen", "127.0.0.1:25", "--user", "qmaild");
  const [checker, reader] = ["checkpassword", "qmail-pop3d"].map((name) => `${home}/bin/${name}`);
  await machine.serve(
    110,
    `${home}/bin/qmail-popup`,
    "--listen",
    "127.0.0.1:110",
    host,
    `${checker}`,
    `${reader}`,
    "Maildir",
  );

  const seen = await lookAsProgram(machine);
  queue(work, idsOf("joe"), `joe@${host}`, ["r@remote.example"]);
  await machine.logs(/deferral: /);
  run(`${home}/bin/qmail`, "queue", "hold", "--to", "r@*");
  queue(work, idsOf("joe"), `joe@${host}`, [`ann-sleep@${host}`]);

  // One client in the middle of a message after another that was taken, and one that reads mail.
  using smtp = new Talk(25);
  smtp.say(`HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@${host}>\r\nDATA\r\nSubject: y\r\n\r\n.\r\n`);
  await smtp.hears(" qp ");
  using pop3 = new Talk(110);
  pop3.say("USER ann\r\nPASS open sesame\r\nSTAT\r\n");
  await pop3.hears(/\+OK \d+ \d+\r\n/);

  const warm = await theProcess(
    "qmail-local",
    ({ words, uid }) => words[0] === "--resident" && uid[0] === ann,
  );
  const sender = await theProcess("qmail-send");
  const waiting = await theProcess("qmail-queue", ({ words }) => words[0] === "--resident");
  const running = {
    "qmail-send": sender,
    "qmail-lspawn": await theProcess("qmail-lspawn"),
    "qmail-rspawn": await theProcess("qmail-rspawn"),
    "qmail-clean": await theProcess("qmail-clean"),
    logger: await theProcess("cat", ({ uid }) => uid[0] === idsOf("qmaill").uid),
    "qmail-smtpd --listen": await theProcess("qmail-smtpd"),
    "its qmail-queue --resident": waiting,
    "qmail-popup --listen": await theProcess("qmail-popup"),
    "ann's qmail-pop3d": await theProcess("checkpassword", ({ uid }) => uid[0] === ann),
    "ann's warm qmail-local": warm,
    "ann's qmail-local": await theProcess(
      "qmail-local",
      ({ words, uid }) => words[0] !== "--resident" && uid[0] === ann,
    ),
    "ann's program": await theProcess("sleep", ({ uid }) => uid[0] === ann),
  };
  const pids = Object.fromEntries(Object.entries(running).map(([name, { pid }]) => [name, pid]));
  const byProcess = await tryAll(triesProcesses, pids);
  const open = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, opened(pid)]));

  // With qmail-send standing still, a message stays in todo.
  process.kill(sender.pid, "SIGSTOP");
  queue(work, idsOf("joe"), `joe@${host}`, [`ann@${host}`]);
  const box = join(place, "Maildir/new", readdirSync(join(place, "Maildir/new"))[0] ?? "");
  const byFile = await tryAll(triesFiles, targets(work, box));
  process.kill(sender.pid, "SIGCONT");

  const check = Bun.spawnSync([`${home}/bin/qmail`, "check"], { env: { PATH: "/usr/bin:/bin" } });
  await machine.end();
  await until(patience, () => processes().every(({ name }) => !name.startsWith("qmail-")));
  return {
    files: byFile,
    processes: byProcess,
    ...seen,
    open,
    ids: Object.fromEntries(
      Object.entries(running).map(([name, { uid }]) => [name, [uid[0] ?? -1, uid[1] ?? -1]]),
    ),
    check: check.exitCode,
  };
}

/** All of it, in namespaces of its own. Needs root. */
export const observed = (): Promise<Access> => observeIn<Access>("access.ts");

/** The tables, by what was tried upon. */
function show({ files, processes: daemons }: Access): void {
  const line = (name: string, cells: readonly string[]) =>
    console.log(name.padEnd(28), cells.map((cell) => cell.padEnd(8)).join(""));
  for (const table of [files, daemons]) {
    line("", users);
    for (const [name, row] of Object.entries(table))
      line(
        name,
        users.map((user) => row[user] ?? "-"),
      );
  }
}

if (import.meta.main) {
  const [work] = process.argv.slice(2);
  if (work === undefined) show(await observed());
  else console.log(JSON.stringify(await observe(work)));
}
