/** qmail-queue under bad conditions, and the order of its barriers; plain submissions are in test/conformance. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { bin } from "../helpers/built.ts";
import { watchMemory } from "../helpers/memory.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { envelope, message, QueueHome, type Submission } from "../helpers/queue-home.ts";

const parts = Array.from({ length: 23 }, (_, part) => `mess/${part}`);

/** What is missing from the home; exit code. */
const missing: readonly (readonly [string[], number])[] = [
  [["queue"], 62],
  [["queue/pid"], 63],
  [["queue/mess"], 64],
  [parts.map((part) => `queue/${part}`), 64],
  [["queue/intd"], 65],
  [["queue/todo"], 66],
];
for (const [names, code] of missing) {
  test(`without ${names.length > 1 ? "folders in mess" : names[0]}: ${code}`, async () => {
    using home = new QueueHome();
    for (const name of names) rmSync(home.in(name), { recursive: true });
    expect(await home.submit()).toBe(code);
    if (existsSync(home.in("queue"))) expect(home.left()).toEqual([]);
  });
}

test("without a home: 61", async () => {
  using home = new QueueHome();
  expect(await home.submit({ env: { QMAILHOME: home.in("nowhere") } })).toBe(61);
});

test("a folder of mess that leads nowhere: 64", async () => {
  using home = new QueueHome();
  for (const part of parts) {
    rmSync(home.in("queue", part), { recursive: true });
    symlinkSync("/nowhere", home.in("queue", part));
  }
  expect(await home.submit()).toBe(64);
  expect(home.left()).toEqual([]);
});

/** What the user may not write to; exit code. */
const unwritable: readonly (readonly [string[], number])[] = [
  [["pid"], 63],
  [parts, 64],
  [["intd"], 65],
  [["todo"], 66],
];
for (const [names, code] of unwritable) {
  test(`may not write to ${names[0]}: ${code}`, async () => {
    using home = new QueueHome(true);
    for (const name of names) chmodSync(home.in("queue", name), 0o500);
    expect(await home.submit()).toBe(code);
    expect(home.left()).toEqual([]);
  });
}

test("may not search the queue: 62", async () => {
  using home = new QueueHome(true);
  chmodSync(home.in("queue"), 0o600);
  expect(await home.submit()).toBe(62);
  chmodSync(home.in("queue"), 0o700);
});

test("if the last barrier fails, the message stays but was not promised: 53", async () => {
  using home = new QueueHome(true);
  chmodSync(home.in("queue/todo"), 0o300);
  expect(await home.submit()).toBe(53);
  chmodSync(home.in("queue/todo"), 0o700);
  expect(home.left().map((path) => path.split("/")[0])).toEqual(["intd", "mess", "todo"]);
});

const long = "x".repeat(1003);
/** Input that is refused; exit code. */
const refused: readonly (readonly [Submission, number])[] = [
  [{ envelope: "" }, 54],
  [{ envelope: "Fa\0Tb" }, 54],
  [{ envelope: `F${long}\0Tb\0\0` }, 11],
  [{ envelope: `Fa\0T${long}` }, 11],
  [{ envelope: "Xa\0" }, 91],
  [{ through: ["sh", "-c", 'exec "$0" 1<&-'] }, 54],
  [{ through: ["sh", "-c", 'exec "$0" </'] }, 54],
  [{ through: ["sh", "-c", 'exec "$0" 1</'] }, 54],
  [{ message: "x".repeat(100_000), through: ["sh", "-c", 'ulimit -f 8; exec "$0"'] }, 53],
];
for (const [how, code] of refused) {
  const name = how.through?.[2] ?? JSON.stringify(how.envelope?.slice(0, 10));
  test(`${name}: ${code}, and nothing is left behind`, async () => {
    using home = new QueueHome();
    expect(await home.submit(how)).toBe(code);
    expect(home.left()).toEqual([]);
  });
}

const namespace = canUnshare();
/** Options of the file system; size of the message; exit code. */
const full: readonly (readonly [string, number, number])[] = [
  ["size=64k", 200_000, 53],
  ["nr_inodes=102", 10, 63],
  ["nr_inodes=103", 10, 64],
  ["nr_inodes=104", 10, 66],
  ["nr_inodes=105", 10, 0],
];
for (const [options, size, code] of full) {
  test.skipIf(!namespace)(`file system with ${options}, ${size} bytes: ${code} (needs root)`, async () => {
    using home = new QueueHome();
    home.write("message", "x".repeat(size));
    home.write("envelope", envelope);
    // The empty queue takes 102 inodes: the root and 101 directories. A link counts as one, too.
    const script = [
      `mount -t tmpfs -o ${options} tmpfs '${home.in("queue")}'`,
      `cd '${home.in("queue")}'`,
      "mkdir pid intd todo bounce lock info local remote mess",
      "for n in $(seq 0 22); do mkdir mess/$n info/$n local/$n remote/$n; done",
      `"$0" <'${home.in("message")}' 1<'${home.in("envelope")}'`,
      "code=$?; find . -type f >&2; exit $code",
    ].join("\n");
    const child = Bun.spawn([...unshare, "sh", "-c", script, `${bin}/qmail-queue`], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin", QMAILHOME: home.path },
    });
    const left = await child.stderr.text();
    await child.exited;
    expect(child.exitCode).toBe(code);
    expect(left.split("\n").length - 1).toBe(code === 0 ? 3 : 0);
  });
}

test("keyboard and terminal signals do not stop it; a message may come slowly", async () => {
  using home = new QueueHome();
  const list = openSync(home.write("envelope", envelope), "r");
  const child = home.start({}, "pipe", list);
  closeSync(list);
  const input = child.stdin as import("bun").FileSink;
  input.write("Subject: ");
  await input.flush();
  while (home.left().length === 0) await Bun.sleep(5);
  await Bun.sleep(50);
  for (const signal of ["SIGINT", "SIGHUP", "SIGQUIT", "SIGXCPU", "SIGVTALRM"] as const) child.kill(signal);
  await Bun.sleep(50);
  input.write("slow\n\n");
  await input.end();
  expect(await child.exited).toBe(0);
  const mess = home.left().find((path) => path.startsWith("mess/")) ?? "";
  expect(home.read(`queue/${mess}`)).toEndWith("\nSubject: slow\n\n");
});

test("qmail-send's fifo gets one byte", async () => {
  using home = new QueueHome();
  const fifo = openSync(home.in("queue/lock/trigger"), constants.O_RDONLY | constants.O_NONBLOCK);
  expect(await home.submit()).toBe(0);
  const bytes = Buffer.alloc(8);
  expect(readSync(fifo, bytes)).toBe(1);
  expect(bytes[0]).toBe(0);
  closeSync(fifo);
});

test("memory does not grow with the message", async () => {
  using home = new QueueHome(false, existsSync("/dev/shm") ? "/dev/shm" : undefined);
  const list = openSync(home.write("envelope", envelope), "r");
  const child = home.start({}, "pipe", list);
  closeSync(list);
  const peak = watchMemory(child.pid);
  const input = child.stdin as import("bun").FileSink;
  const piece = Buffer.alloc(1 << 20, "0123456789abcdef\n");
  for (let count = 0; count < 200; count++) {
    input.write(piece);
    await input.flush();
  }
  await input.end();
  expect(await child.exited).toBe(0);
  expect(peak()).toBeLessThan(100 << 20);
  const mess = home.left().find((path) => path.startsWith("mess/")) ?? "";
  expect(statSync(home.in("queue", mess)).size).toBeGreaterThan(200 << 20);
});

const strace = Bun.which("strace") !== null;
test.skipIf(!strace)("barriers stand where a power cut may come (needs strace)", async () => {
  using home = new QueueHome();
  const calls = "openat,link,linkat,unlink,unlinkat,fsync,fdatasync";
  const through = ["strace", "-f", "-y", "-e", `trace=${calls}`, "-o", home.in("trace")];
  expect(await home.submit({ through })).toBe(0);
  const [id] = readdirSync(home.in("queue/todo"));
  const folder = Number(id) % 23;
  const step = /(fsync)\(\d+<.*\/queue\/([^>]*)>|\b(link)\(.*\/queue\/(.*?)"\)|(O_CREAT).*<.*\/queue\/(.*)>/;
  const steps = readFileSync(home.in("trace"), "utf8")
    .split("\n")
    .map((line) => step.exec(line)?.filter((part) => part !== undefined))
    .filter((found) => found !== undefined)
    .map(([, call, path]) => `${call} ${path?.replace(/^pid\/.*/, "pid/P")}`);
  // The message's file keeps the name by which it was opened.
  const barrier = ["fsync pid/P", `fsync intd/${id}`, `fsync mess/${folder}`];
  expect(steps).toEqual([
    "O_CREAT pid/P",
    `link mess/${folder}/${id}`,
    `O_CREAT intd/${id}`,
    ...barrier,
    `link todo/${id}`,
    "fsync todo",
  ]);
});

test("message, names and envelope", async () => {
  using home = new QueueHome();
  expect(await home.submit()).toBe(0);
  const id = readdirSync(home.in("queue/todo"))[0] ?? "";
  const mess = `mess/${Number(id) % 23}/${id}`;
  expect(home.left()).toEqual([`intd/${id}`, mess, `todo/${id}`]);
  expect(statSync(home.in("queue", mess)).ino).toBe(Number(id));
  expect(home.read(`queue/${mess}`)).toEndWith(message);
});
