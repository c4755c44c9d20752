/**
 * Who tries to wear a system-wide qmail out, or to make it wait: a stopped worker, a flood of triggers, queue programs
 * that stay, a Maildir full of traps behind POP3. Run by floods.test.ts inside namespaces of its own; prints what it
 * observed as JSON.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hashPassword } from "../../src/core/users/poppasswd.ts";
import { patience } from "../helpers/patience.ts";
import { session, Talk } from "../helpers/talk.ts";
import {
  asSomebody,
  filesOf,
  give,
  home,
  homeOf,
  host,
  idsOf,
  installMachine,
  joe,
  Machine,
  observeIn,
  processes,
  queue,
  run,
  theProcess,
  until,
} from "./machine.ts";

export interface Floods {
  /** Deliveries that were under way to joe's stopped worker, and whether ann got mail meanwhile. */
  stopped: { underWay: number; ann: boolean };
  /** What became of them when it was killed. */
  killed: string[];
  /** Processes of qmail-lspawn's that were joe before they were a program of their own, and those that became joe. */
  early: { wrong: string[]; became: number };
  /** Triggers pulled while ann got a message. */
  triggers: number;
  /** How many joe could start of 400, what stopped him, and whether a stranger could send meanwhile. */
  residents: { started: number; stoppedBy: string; meanwhile: boolean; left: string[] };
  /** What joe's session heard after the password, and what ann's heard last. */
  pop3: { hostile: string[]; other: string };
}

/** Mail to ann is a message more in her Maildir. */
async function annGets(machine: Machine, sender: string): Promise<boolean> {
  const box = `${homeOf(machine.work, "ann")}/Maildir/new`;
  const before = readdirSync(box).length;
  queue(machine.work, idsOf("ann"), sender, [`ann@${host}`]);
  return await until(patience, () => readdirSync(box).length > before);
}

/** joe stops the process that delivers his mail, and has as much sent to him as can be under way at a time. */
async function stopWorker(machine: Machine): Promise<Pick<Floods, "stopped" | "killed">> {
  const place = homeOf(machine.work, "joe");
  give(`${place}/.qmail-default`, idsOf("joe"), "./Maildir/\n");
  queue(machine.work, idsOf("joe"), `first@${host}`, [`joe@${host}`]);
  const isJoes = ({ words, uid }: { words: string[]; uid: number[] }) =>
    words[0] === "--resident" && uid[0] === joe;
  const worker = await theProcess("qmail-local", isJoes);
  await machine.until(() => readdirSync(`${place}/Maildir/new`).length === 1);
  await asSomebody(idsOf("joe"), "os.kill(value, signal.SIGSTOP); result = 0", worker.pid);
  const many = Array.from({ length: 90 }, (_, number) => `joe-${"x".repeat(880)}${number}@${host}`);
  const started = () => [...machine.log.matchAll(/^starting delivery \d+: msg \d+ to local joe-x/gm)].length;
  queue(machine.work, idsOf("joe"), `${"s".repeat(880)}@${host}`, many);
  await machine.until(() => started() === many.length);
  const got = await annGets(machine, `second@${host}`);
  const stopped = { underWay: started(), ann: got };
  const earlier = machine.log.length;
  for (const { pid } of processes().filter(isJoes)) process.kill(pid, "SIGKILL");
  const outcomes = () =>
    [...machine.log.slice(earlier).matchAll(/^delivery \d+: (.*)$/gm)].map(([, words]) => words ?? "");
  await machine.until(() => outcomes().includes("deferral: qmail-local_crashed./"));
  return { stopped, killed: [...new Set(outcomes())] };
}

/** Between the change of ids and the execution of a program joe could stop a process that qmail-lspawn waits for. */
async function watchStarts(machine: Machine): Promise<Floods["early"]> {
  const place = homeOf(machine.work, "joe");
  give(`${place}/.qmail-program`, idsOf("joe"), "|true\n");
  const { pid } = await theProcess("qmail-lspawn");
  const trace = `${machine.work}/trace`;
  const words = ["-f", "-qq", "-e", "trace=execve,setuid,setresuid", "-o", trace, "-p", String(pid)];
  const strace = Bun.spawn(["strace", ...words], { stdio: ["ignore", "ignore", "ignore"] });
  await machine.until(() => /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/status`, "latin1")));
  for (const name of ["joe-program", "joe-\xff\xfe"]) {
    const sender = Buffer.from(`started-${name.length}@${host}`);
    queue(machine.work, idsOf("joe"), sender, [Buffer.from(`${name}@${host}`, "latin1")]);
    await machine.logs(new RegExp(`from <${sender}>[\\s\\S]*^delivery \\d+: `, "m"));
  }
  strace.kill("SIGINT");
  await strace.exited;
  // Further threads of a program change their ids as well, and execute nothing.
  const changed = new Set<string>();
  const early = { wrong: [] as string[], became: 0 };
  for (const line of readFileSync(trace, "latin1").split("\n")) {
    const [, thread = "", call = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (/^set(res)?uid/.test(call) && call.includes(`${joe}`)) {
      changed.add(thread);
      early.became++;
    } else if (call.startsWith("execve(") && changed.has(thread)) early.wrong.push(call);
  }
  return early;
}

/** qmailr, which may pull the trigger, does nothing else. */
async function pullTriggers(machine: Machine): Promise<number> {
  const pulling = asSomebody<number>(
    idsOf("qmailr"),
    `
fd = os.open("${home}/queue/lock/trigger", os.O_WRONLY | os.O_NONBLOCK); result = 0
while not os.path.exists(value + "/enough"):
    try:
        os.write(fd, b"x" * 4096); result += 4096
        if result == 65536 * 4: open("/var/tmp/pulling", "w").close()
    except BlockingIOError: pass`,
    machine.work,
  );
  await machine.until(() => existsSync("/var/tmp/pulling"));
  const got = await annGets(machine, `third@${host}`);
  give(`${machine.work}/enough`, idsOf("root"), "");
  const triggers = await pulling;
  return got ? triggers : -1;
}

/** joe starts queue programs that stay, as many as he can. */
async function startResidents(machine: Machine): Promise<Floods["residents"]> {
  const before = filesOf("mess").length;
  const child = asSomebody<{ started: number; stoppedBy: string }>(
    idsOf("joe"),
    `
resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))
all = []; stopped = ""
ends = os.pipe()
for number in range(400):
    try: all.append(subprocess.Popen(["${home}/bin/qmail-queue", "--resident"], stdin=ends[0], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    except OSError as failure: stopped = errno.errorcode[failure.errno]; break
open(value, "w").close()
time.sleep(3)
result = {"started": len(all), "stoppedBy": stopped}
for one in all: one.kill()
for one in all: one.wait()`,
    "/var/tmp/started",
  );
  await machine.until(() => existsSync("/var/tmp/started"));
  const words = `HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@${host}>\r\nDATA\r\nSubject: y\r\n\r\n.\r\nQUIT\r\n`;
  const said = await session({ port: 25 }, words);
  const { started, stoppedBy } = await child;
  await Bun.sleep(500);
  return {
    started,
    stoppedBy,
    meanwhile: / ok \d+ qp /.test(said.toString()),
    left: ["pid", "intd", "todo"].flatMap(filesOf).concat(filesOf("mess").slice(before)),
  };
}

/** joe's Maildir has everything in it that a reader might fall into; ann reads at the same server. */
async function readTraps(work: string): Promise<Floods["pop3"]> {
  const place = `${homeOf(work, "joe")}/Maildir`;
  run("find", place, "-type", "f", "-delete");
  await asSomebody(
    idsOf("joe"),
    `
os.chdir(value + "/new")
os.mkfifo("1.fifo"); os.symlink("/etc/shadow", "2.shadow"); os.mkdir("4.directory")
os.symlink("5.loop", "5.loop"); open("6.closed", "w").close(); os.chmod("6.closed", 0)
open("7.message", "w").write("Subject: x\\n\\n.\\n"); open("8." + "x" * 240, "w").write("y\\n")
open("9.\\n+OK", "w").write("z\\n"); os.symlink("../../../ann/Maildir/new", "a.directory")
# What came in this very second is not shown yet.
import time; time.sleep(1.1)
result = 0`,
    place,
  );
  using hostile = new Talk(110);
  hostile.say("USER joe\r\nPASS joe's own\r\nSTAT\r\n");
  for (const number of [1, 2, 4, 5]) hostile.say(`RETR ${number}\r\n`);
  hostile.say("QUIT\r\n");
  using other = new Talk(110);
  other.say("USER ann\r\nPASS open sesame\r\nSTAT\r\nQUIT\r\n");
  await Promise.all([hostile.ended, other.ended]);
  return { hostile: hostile.text.split("\r\n").slice(3), other: other.text.split("\r\n")[3] ?? "" };
}

async function observe(work: string): Promise<Floods> {
  installMachine(work);
  const hashes = { ann: "open sesame", joe: "joe's own" };
  const lines = Object.entries(hashes).map(([name, word]) => `${name}:${hashPassword(Buffer.from(word))}\n`);
  give(`${home}/users/poppasswd`, idsOf("root"), lines.join(""), 0o600);
  const machine = new Machine(work);
  await machine.ready();
  await machine.serve(25, `${home}/bin/qmail-smtpd`, "--listen", "127.0.0.1:25", "--user", "qmaild");
  const popup = [`${home}/bin/qmail-popup`, "--listen", "127.0.0.1:110", host];
  await machine.serve(110, ...popup, `${home}/bin/checkpassword`, `${home}/bin/qmail-pop3d`, "Maildir");
  const stopped = await stopWorker(machine);
  const early = await watchStarts(machine);
  const triggers = await pullTriggers(machine);
  const residents = await startResidents(machine);
  const pop3 = await readTraps(work);
  await machine.end();
  return { ...stopped, early, triggers, residents, pop3 };
}

/** All of it, in namespaces of its own. Needs root. */
export const observed = (): Promise<Floods> => observeIn<Floods>("floods.ts");

if (import.meta.main) {
  const [work] = process.argv.slice(2);
  console.log(JSON.stringify(work === undefined ? await observed() : await observe(work), null, 1));
}
