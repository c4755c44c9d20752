/** The same services, kept running by daemontools, runit and s6, with their loggers. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { patience } from "../../helpers/patience.ts";
import { until } from "../../scenarios/home.ts";
import { Server } from "../tools.ts";
import type { Group, Row } from "./row.ts";
import { has, qmail, searchPath, session, type World } from "./world.ts";

/** How a supervisor does what all of them do. */
interface Supervisor {
  name: string;
  /** Its programs. */
  needs: readonly string[];
  /** The command that looks after a directory of services. */
  scan: (services: string) => string[];
  /** Become a user; settings from a directory; a limit of open files. */
  user: (name: string) => string;
  environment: (directory: string) => string;
  files: (count: number) => string;
  /** A logger, and how its time stamps are made readable. */
  log: (directory: string) => string;
  decode: string[];
  status: (service: string) => string[];
  isUp: RegExp;
  signal: (service: string, word: "HUP" | "ALRM" | "TERM") => string[];
  down: (service: string) => string[];
}

const letters = { HUP: "h", ALRM: "a", TERM: "t" } as const;

const supervisors: readonly Supervisor[] = [
  {
    name: "daemontools",
    needs: ["svscan", "supervise", "multilog", "svc", "svstat", "envdir", "softlimit", "setuidgid"],
    scan: (services) => ["svscan", services],
    user: (name) => `setuidgid ${name}`,
    environment: (directory) => `envdir ${directory}`,
    files: (count) => `softlimit -o ${count}`,
    log: (directory) => `multilog t n5 s100000 ${directory}`,
    decode: ["tai64nlocal"],
    status: (service) => ["svstat", service],
    isUp: /: up \(pid (\d+)\)/,
    signal: (service, word) => ["svc", `-${letters[word]}`, service],
    down: (service) => ["svc", "-d", service],
  },
  {
    name: "runit",
    needs: ["runsvdir", "runsv", "svlogd", "chpst", "sv"],
    scan: (services) => ["runsvdir", services],
    user: (name) => `chpst -u ${name}`,
    environment: (directory) => `chpst -e ${directory}`,
    files: (count) => `chpst -o ${count}`,
    log: (directory) => `svlogd -tt ${directory}`,
    decode: ["cat"],
    status: (service) => ["sv", "status", service],
    isUp: /^run: [^:]*: \(pid (\d+)\)/,
    signal: (service, word) => ["sv", { HUP: "hup", ALRM: "alarm", TERM: "term" }[word], service],
    down: (service) => ["sv", "down", service],
  },
  {
    name: "s6",
    needs: [
      "s6-svscan",
      "s6-supervise",
      "s6-log",
      "s6-svc",
      "s6-svstat",
      "s6-envdir",
      "s6-softlimit",
      "s6-setuidgid",
    ],
    scan: (services) => ["s6-svscan", services],
    user: (name) => `s6-setuidgid ${name}`,
    environment: (directory) => `s6-envdir ${directory}`,
    files: (count) => `s6-softlimit -o ${count}`,
    log: (directory) => `s6-log t n5 s100000 ${directory}`,
    decode: ["s6-tai64nlocal"],
    status: (service) => ["s6-svstat", service],
    isUp: /^up \(pid (\d+)/,
    signal: (service, word) => ["s6-svc", `-${letters[word]}`, service],
    down: (service) => ["s6-svc", "-d", service],
  },
];

function service(services: string, name: string, run: string, log?: string): void {
  const directory = join(services, name);
  mkdirSync(join(directory, log === undefined ? "" : "log"), { recursive: true });
  const script = (text: string) => `#!/bin/sh\nexec 2>&1\n${text}\n`;
  writeFileSync(join(directory, "run"), script(run), { mode: 0o755 });
  if (log !== undefined) writeFileSync(join(directory, "log/run"), script(`exec ${log}`), { mode: 0o755 });
}

/** qmail-send, and qmail-smtpd for everybody, as directories of services; their names are `send` and `smtpd`. */
function layOut(world: World, how: Supervisor): { services: string; logs: string } {
  const services = world.at(`service-${how.name}`);
  const logs = world.at(`logs-${how.name}`);
  mkdirSync(logs);
  for (const name of ["send", "smtpd"]) {
    const made = Bun.spawnSync(["install", "-d", "-o", "qmaill", join(logs, name)]);
    assert.equal(made.exitCode, 0);
  }
  const settings = world.at(`env-${how.name}`);
  mkdirSync(settings);
  writeFileSync(join(settings, "RELAYCLIENT"), "\n");
  writeFileSync(join(settings, "DATABYTES"), "1000000\n");
  const logger = (name: string) => `${how.user("qmaill")} ${how.log(join(logs, name))}`;
  service(services, "send", `exec env - PATH=${searchPath} qmail-start ./Maildir/`, logger("send"));
  const command = `${how.files(100)} ${how.environment(settings)}`;
  const server = `tcpserver -v -H -R -l 0 127.0.0.1 25 ${how.user("qmaild")} qmail-smtpd`;
  service(services, "smtpd", `PATH=${searchPath}; export PATH\nexec ${command} ${server}`, logger("smtpd"));
  return { services, logs };
}

async function supervised(world: World, how: Supervisor): Promise<string> {
  const { services, logs } = layOut(world, how);
  const scan = new Server(how.scan(services), { PATH: searchPath });
  const send = join(services, "send");
  const pid = async () => how.isUp.exec((await world.as("root", how.status(send))).stdout)?.[1];
  const log = async (name: string) =>
    world.must("root", how.decode, { stdin: readFileSync(join(logs, name, "current")) });
  const smtpIsUp = async () => {
    for (const end = Date.now() + patience * 1000; ; await Bun.sleep(50)) {
      const reply = await world.smtp("QUIT\n").catch(() => "");
      if (reply.startsWith("220 ")) return;
      assert.ok(Date.now() < end, `no qmail-smtpd: ${scan.log}${readdirSync(services)}`);
    }
  };
  try {
    await smtpIsUp();
    const deliver = async (to: string) => {
      has(
        await world.smtp(session("joe@test.example", to, `Subject: ${how.name}\n\nhello\n`)),
        /^250 ok \d+ qp/m,
      );
      return await world.one("ann");
    };
    has(await deliver("ann@test.example"), `\nSubject: ${how.name}\n`);
    const first = await pid();
    assert.ok(first !== undefined);
    // HUP: another name is local now.
    world.control("locals", "test.example\nlocalhost\nmore.example\n");
    await world.must("root", how.signal(send, "HUP"));
    // A signal is not a request with an answer, but what has read the file has heard it.
    await until("the list to be read again", () => isRead(`${qmail}/control/locals`));
    await deliver("ann@more.example");
    // ALRM: what was deferred is tried again.
    world.write("ann", ".qmail", "|exit 111\n");
    await world.send("Subject: later\n\n", "ann@test.example");
    await until("the deferral", () =>
      readFileSync(join(logs, "send/current"), "latin1").includes(": deferral: "),
    );
    world.write("ann", ".qmail", "./Maildir/\n");
    await world.must("root", how.signal(send, "ALRM"));
    has(await world.one("ann"), "\nSubject: later\n");
    // TERM: it ends, and is started again.
    await world.must("root", how.signal(send, "TERM"));
    for (
      const end = Date.now() + patience * 1000;
      [first, undefined].includes(await pid());
      await Bun.sleep(50)
    )
      assert.ok(Date.now() < end, "it was not started again");
    await deliver("ann@test.example");
    has(await log("send"), /^\d{4}-\d\d-\d\d[ _T]\d\d:\d\d:\d\d\.\d+ new msg \d+$/m, / status: exiting$/m);
    has(await log("smtpd"), / tcpserver: ok \d+ /);
    await world.must("root", how.down(join(services, "smtpd")));
    await world.must("root", how.down(send));
    for (const end = Date.now() + patience * 1000; (await pid()) !== undefined; await Bun.sleep(50))
      assert.ok(Date.now() < end, "it does not end");
    return "up, HUP, ALRM, TERM and again, down; the log has its stamps";
  } catch (error) {
    throw new Error(`${error}\n${await log("send")}\n${await log("smtpd")}`);
  } finally {
    for (const name of ["smtpd", "send"]) await world.as("root", how.down(join(services, name)));
    await scan.stop();
    world.control("locals", "test.example\nlocalhost\n");
  }
}

/** Whether a file was read since it was written: file systems keep the time of that, at least. */
function isRead(path: string): boolean {
  const { atimeMs, mtimeMs } = statSync(path);
  return atimeMs >= mtimeMs;
}

/** The memory that programs are often given, and what is needed here. */
async function softlimit(world: World): Promise<string> {
  const under = (bytes: number) =>
    world.as("root", ["softlimit", "-m", String(bytes), `${qmail}/bin/qmail-smtpd`], { stdin: "QUIT\r\n" });
  const small = await under(4_000_000);
  assert.notEqual(small.code, 0);
  assert.equal(small.stdout, "");
  assert.equal((await under(4_000_000_000)).stdout.slice(0, 4), "220 ");
  return "-m 4000000000 is enough; -m 4000000 ends it before it has greeted";
}

const rows = supervisors.map(
  (how): Row => ({
    packages: [how.name === "s6" ? "s6" : how.name, "ucspi-tcp"],
    direction: `${how.needs[0]}, ${how.needs[2]}: qmail-start, qmail-smtpd`,
    needs: [...how.needs, "tcpserver"],
    check: (world) => supervised(world, how),
  }),
);

export const supervision: Group = {
  name: "supervision",
  rows: [
    ...rows,
    {
      packages: ["daemontools"],
      direction: "softlimit -m: qmail-smtpd",
      needs: ["softlimit"],
      check: softlimit,
    },
  ],
};
