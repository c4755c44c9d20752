/**
 * The set-uid launcher, bin/qmail-queue, under callers who try everything: its environment, descriptors, limits,
 * signals, arguments. Each attempt must end in a whole message in the queue, or in an exit code of qmail-queue(8) and
 * nothing at all; and nothing may be run or written that the caller could not have run or written itself. As root, it
 * prints a table of what came out:
 *
 *   bun test/scenarios/launcher-hostile.ts
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programs } from "../helpers/home.ts";
import { mountEmpty, unshare } from "../helpers/namespace.ts";
import { pristineSystem } from "../helpers/overlay.ts";
import { type Row, rows } from "./launcher-hostile-rows.ts";

const home = "/var/qmail";
const joe = 1008;
const message = "Subject: hostile\n\nStill the whole message.\n";

/** What an attempt came to. */
export interface Outcome {
  group: string;
  name: string;
  expected: string;
  /** `queued`, `exit 54`, `signal 11`; with what is wrong in the queue behind it. */
  outcome: string;
}

/** All of it. */
export interface Report {
  outcomes: Outcome[];
  /** Files of qmailq's outside its queue, beside the launcher. */
  strays: string[];
  /** What the caller's code left when something ran it with other rights, or at all. */
  ran: string[];
}

/** Becomes joe, does what the row says, and executes the launcher. */
const caller = `
import ctypes, json, os, resource, signal, sys, time
row = json.loads(sys.argv[1])
queue, argv, env, launch = "${home}/bin/qmail-queue", ["qmail-queue"], row["environment"], True
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([]); os.setgid(${joe}); os.setuid(${joe}); os.chdir(row["place"])
for number, name in enumerate(["message", "envelope", "output"]):
    fd = os.open(name, os.O_RDONLY if number < 2 else os.O_WRONLY | os.O_CREAT)
    if fd != number: os.dup2(fd, number)
    if fd > 2: os.close(fd)
def limit(which, hard): resource.setrlimit(which, (hard, hard))
exec(row["code"])
if launch: os.execve(queue, argv, env)
`;

function partsOf(directory: string): string[] {
  return readdirSync(join(home, "queue", directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const everything = (): string[] => ["pid", "mess", "intd", "todo"].flatMap(partsOf).sort();

/** What is wrong with the one message that should be there now. */
function flaws(files: readonly string[], qmailq: number): string {
  const [intd, mess, todo] = files.map((file) => ({
    file,
    stat: lstatSync(file),
    text: readFileSync(file, "latin1"),
  }));
  if (files.length !== 3 || !intd || !mess || !todo) return ` (left: ${files.join(" ")})`;
  const ordered = [intd.file.includes("/intd/"), mess.file.includes("/mess/"), todo.file.includes("/todo/")];
  const owned = [intd, mess, todo].every(({ stat }) => stat.uid === qmailq && (stat.mode & 0o7777) === 0o644);
  const whole =
    mess.text.startsWith("Received: (qmail ") &&
    mess.text.includes(` invoked by uid ${joe}); `) &&
    mess.text.endsWith(message) &&
    new RegExp(`^u${joe}\\0p\\d+\\0Fjoe@test\\.example\\0Tann@test\\.example\\0$`).test(todo.text);
  if (!ordered.every(Boolean)) return ` (other parts: ${files.join(" ")})`;
  return owned ? (whole ? "" : " (not the whole message)") : " (owner or mode)";
}

async function attempt(row: Row, place: string, qmailq: number): Promise<Outcome> {
  const described = JSON.stringify({
    code: row.code ?? "",
    environment: row.environment?.(place) ?? {},
    place,
  });
  const child = Bun.spawn(["python3", "-c", caller, described], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: "/usr/bin:/bin" },
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const words = await new Response(child.stderr).text();
  await child.exited;
  const files = everything();
  const ended = child.signalCode === null ? `exit ${child.exitCode}` : `signal ${child.signalCode}`;
  const python = words.includes("Traceback") ? ` (${words.trim().split("\n").pop()})` : "";
  const left = files.length === 0 || row.leaves === true ? "" : ` (left: ${files.join(" ")})`;
  const outcome =
    ended === "exit 0" && files.length > 0 ? `queued${flaws(files, qmailq)}` : ended + left + python;
  for (const file of files) rmSync(file);
  return { group: row.group, name: row.name, expected: row.expected, outcome };
}

/** joe's directory, with everything in it that a runtime might read or run. */
function furnish(place: string): void {
  mkdirSync(join(place, "bin"), { recursive: true });
  const proof = join(place, "ran");
  const script = `require("node:fs").appendFileSync(${JSON.stringify(proof)}, "javascript\\n");\n`;
  const files: Record<string, string> = {
    message,
    envelope: "Fjoe@test.example\0Tann@test.example\0\0",
    "evil.js": script,
    ".env": `BUN_OPTIONS="--preload ${place}/evil.js"\nQMAILHOME=${place}\nQMAILQUEUE=${place}/bin/qmail-queue\n`,
    "bunfig.toml": `preload = ["${place}/evil.js"]\n`,
    ".bunfig.toml": `preload = ["${place}/evil.js"]\n`,
    "package.json": `{ "type": "commonjs", "main": "evil.js" }\n`,
    "evil.c": `#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void f(void) { int d = open("${proof}-native", O_CREAT | O_WRONLY, 0666); if (geteuid() != getuid()) write(d, "x", 1); }\n`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
  for (const name of ["sh", "cat", "qmail-queue", "qmail-ts"])
    writeFileSync(join(place, "bin", name), `#!/bin/sh\necho ${name} >>${proof}\n`, { mode: 0o755 });
  const made = Bun.spawnSync([
    "gcc",
    "-shared",
    "-fPIC",
    "-o",
    join(place, "evil.so"),
    join(place, "evil.c"),
  ]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  Bun.spawnSync(["chown", "-R", String(joe), place]);
}

/** Everything, inside namespaces of its own. */
async function observe(work: string): Promise<Report> {
  mountEmpty(work);
  const place = join(work, "joe");
  pristineSystem(work, [`joe:x:${joe}:${joe}::${place}:/bin/sh`]);
  furnish(place);
  chownSync(place, joe, joe);
  // What runs with the queue's rights shall be able to leave its mark.
  chmodSync(place, 0o777);
  const setup = Bun.spawnSync([join(programs, "qmail"), "setup", "--host", "test.example"]);
  if (setup.exitCode !== 0) throw new Error(setup.stderr.toString());
  const qmailq = lstatSync(`${home}/queue`).uid;
  const outcomes: Outcome[] = [];
  for (const row of rows) outcomes.push(await attempt(row, place, qmailq));
  const roots = ["/etc", "/tmp", "/usr/bin", "/usr/lib", "/usr/sbin", "/var", "/dev/shm"];
  // The layers of the overlays show /var a second time.
  const ignored = ["(", "-path", join(work, "layers"), "-o", "-path", `${home}/queue`, ")", "-prune", "-o"];
  const found = Bun.spawnSync(["find", ...roots, ...ignored, "-uid", String(qmailq), "-print"]);
  return {
    outcomes,
    strays: found.stdout
      .toString()
      .split("\n")
      .filter((path) => path !== "" && path !== `${home}/bin/qmail-queue`),
    ran: ["ran", "ran-native"]
      .map((name) => join(place, name))
      .filter((path) => existsSync(path) && (readFileSync(path).length > 0 || lstatSync(path).uid !== joe)),
  };
}

/** Runs it in namespaces of its own. Needs root, gcc and python3. */
export async function hostileCallers(): Promise<Report> {
  const work = mkdtempSync(join(tmpdir(), "qmail-hostile-"));
  try {
    const child = Bun.spawn([...unshare, process.execPath, import.meta.path, work], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(err);
    return JSON.parse(out) as Report;
  } finally {
    rmSync(work, { recursive: true });
  }
}

function show({ outcomes, strays, ran }: Report): number {
  const wrong = outcomes.filter(({ expected, outcome }) => expected !== outcome);
  for (const { group, name, expected, outcome } of outcomes)
    console.log(
      `${group.padEnd(12)} ${name.padEnd(44)} ${outcome}${expected === outcome ? "" : `   EXPECTED ${expected}`}`,
    );
  console.log(
    `\n${outcomes.length} attempts, ${wrong.length} not as expected; ${strays.length} stray files, ${ran.length} times foreign code ran`,
  );
  for (const path of [...strays, ...ran]) console.log(path);
  return wrong.length + strays.length + ran.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  const [work] = process.argv.slice(2);
  if (work === undefined) process.exitCode = show(await hostileCallers());
  else console.log(JSON.stringify(await observe(work)));
}
