/**
 * The queue tools in a system-wide installation: who may, and whom everything belongs to afterwards. Run by
 * queue-tools-system.test.ts inside namespaces of its own; prints what it observed as JSON.
 *
 *   unshare --mount ... bun test/scenarios/queue-tools-system.ts WORK-DIRECTORY
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Group, host, programs, until } from "../helpers/home.ts";
import { layOutQueue } from "../helpers/layout.ts";
import { mountEmpty, privateSystem } from "../helpers/namespace.ts";
import { patience } from "../helpers/patience.ts";
import { qmailGroup, userNumbers } from "../helpers/users.ts";

const home = "/var/qmail";

/** What one command did. */
export interface Did {
  code: number | null;
  out: string;
}

export interface Observed {
  /** By a stranger and by qmails, before root gave the first order. */
  stranger: Did;
  tooEarly: Did;
  /** While qmail-send is stopped: new messages. */
  held: Did;
  removedNew: Did;
  /** The same for qmails, later. */
  byQmails: Did;
  /** Owners by path. */
  made: Record<string, number>;
  /** While it runs, and stopped again: preprocessed messages. */
  removedRunning: Did;
  removedStopped: Did;
  /** Files of the queue that are left after three of four messages were removed. */
  left: string[];
  /** The queue was root's, with other modes. */
  dry: Did;
  mended: Did;
  again: Did;
  owners: Record<string, string>;
  released: boolean;
  log: string;
}

function install(): void {
  for (const name of ["control", "users", "bin", "alias"]) mkdirSync(join(home, name), { recursive: true });
  const executable = join(home, "bin/qmail-ts");
  copyFileSync(join(programs, "qmail-ts"), executable);
  chmodSync(executable, 0o755);
  for (const name of readdirSync(programs)) {
    const target = join(home, "bin", name);
    if (name === "qmail-ts") continue;
    if (statSync(join(programs, name)).ino === statSync(join(programs, "qmail-ts")).ino)
      linkSync(executable, target);
    else copyFileSync(join(programs, name), target);
  }
  layOutQueue(join(home, "queue"), true);
  for (const [name, text] of Object.entries({ me: host, smtproutes: ":127.0.0.1:1" }))
    writeFileSync(join(home, "control", name), `${text}\n`);
}

const environment = { PATH: "/usr/local/bin:/usr/bin:/bin" };

/** Runs `qmail queue` as root, or as somebody else. */
function tool(words: string[], uid = 0): Did {
  const child = Bun.spawnSync([join(home, "bin/qmail"), "queue", ...words], {
    env: environment,
    uid,
    gid: uid === 0 ? 0 : qmailGroup,
  } as Bun.SpawnOptions.OptionsObject<"ignore", "pipe", "pipe">);
  return { code: child.exitCode, out: `${child.stdout}${child.stderr}` };
}

function inject(number: number): void {
  const child = Bun.spawnSync(
    [join(home, "bin/qmail-inject"), "-fsender@test.example", `r${number}@remote.example`],
    {
      stdin: Buffer.from(`Subject: ${number}\n\n`),
      env: environment,
    },
  );
  if (child.exitCode !== 0) throw new Error(child.stderr.toString());
}

/** Regular files of messages, relative to the queue. */
function files(): string[] {
  const root = join(home, "queue");
  return (readdirSync(root, { recursive: true, withFileTypes: true }) as import("node:fs").Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.startsWith("lock/") && path !== "ask/mutex")
    .sort();
}

async function observe(work: string): Promise<Observed> {
  mountEmpty(work);
  privateSystem(work);
  install();
  const { qmails = 0, unpriv = 0 } = userNumbers;
  for (let number = 0; number < 4; number++) inject(number);
  const stranger = tool(["list"], unpriv);
  const tooEarly = tool(["hold", "--all"], qmails);
  const held = tool(["hold", "--to", "r0@*"]);
  const removedNew = tool(["remove", "--to", "r1@*"]);
  const byQmails = tool(["hold", "--to", "r0@*"], qmails);
  const made = Object.fromEntries(
    ["ask", "ask/mutex", "hold", ...readdirSync(join(home, "queue/hold")).map(() => "hold/*")].map((name) => {
      const [mark = ""] = readdirSync(join(home, "queue/hold"));
      return [name, statSync(join(home, "queue", name.replace("*", mark))).uid];
    }),
  );

  const log = join(work, "log");
  const start = () => {
    const logger = ["/bin/sh", "-c", `exec cat >>${log}`];
    writeFileSync(log, "", { mode: 0o666 });
    chmodSync(log, 0o666);
    return new Group([join(home, "bin/qmail-start"), "./Maildir/", ...logger], environment, "ignore");
  };
  const logged = (words: RegExp) => until(patience, () => words.test(readFileSync(log, "latin1")));
  const stop = async (daemons: Group) => {
    daemons.signal("SIGTERM");
    await daemons.ended();
    await daemons.kill();
  };
  chmodSync(work, 0o755);
  let daemons = start();
  await logged(/(deferral.*){2}/s);
  const removedRunning = tool(["remove", "--to", "r2@*"]);
  await until(
    10,
    () =>
      tool(["list"])
        .out.split("\n")
        .filter((line) => line.startsWith("\t")).length === 2,
  );
  await stop(daemons);
  const firstLog = readFileSync(log, "latin1");
  const removedStopped = tool(["remove", "--to", "r3@*"]);
  const left = files();

  const root = join(home, "queue");
  for (const name of ["", ...(readdirSync(root, { recursive: true }) as string[])])
    if (!name.startsWith("lock")) chownSync(join(root, name), 0, 0);
  for (const path of files()) chmodSync(join(root, path), 0o666);
  const dry = tool(["repair", "--dry-run"]);
  const mended = tool(["repair"]);
  const again = tool(["repair"]);
  const owners = Object.fromEntries(
    ["", "mess", "info/3", "todo", "hold", "ask", "ask/mutex", ...files()].map((name) => {
      const { uid, gid, mode } = statSync(join(root, name));
      return [
        name.replace(/\d+\/\d+$/, "*").replace(/\/\d{2,}$/, "/*"),
        `${uid}:${gid} ${(mode & 0o7777).toString(8)}`,
      ];
    }),
  );

  daemons = start();
  await logged(/status: local/);
  const release = tool(["release", "--all"]);
  const released =
    release.code === 0 &&
    (await logged(/release msg \d+\nstarting delivery 1: msg \d+ to remote r0@remote\.example\n/));
  await stop(daemons);
  return {
    stranger,
    tooEarly,
    held,
    removedNew,
    byQmails,
    made,
    removedRunning,
    removedStopped,
    left,
    dry,
    mended,
    again,
    owners,
    released,
    log: firstLog,
  };
}

if (import.meta.main) console.log(JSON.stringify(await observe(process.argv[2] ?? "")));
