/**
 * Cases of servers over a real connection: the same session under tcpserver, or with the program's own --listen. A
 * case's variables come from the rules file, which both read anew for every client.
 */
import { closeSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { CdbMaker } from "../../src/core/bytes/cdb.ts";
import { isSystemError } from "../../src/core/exit.ts";
import { captured } from "./capture.ts";
import type { Observed } from "./compare.ts";
import { dial, endOfInput } from "./connection.ts";
import { changes } from "./files.ts";
import { bytesOf, type Case, field } from "./format.ts";
import { collect, environmentOf } from "./kind-run.ts";
import type { Cut, Via } from "./modes.ts";
import { type Exit, nonBlocking, writeSome } from "./program.ts";
import { userOf, type World } from "./world.ts";

/** How long a session may take, in milliseconds. */
const patience = 30_000;

interface Server {
  port: number;
  child: Bun.Subprocess;
  /** What it wrote to descriptor 2. */
  log: string;
}

const running = new Map<string, Server>();

/** Ends all servers. */
export function stopNetwork(): void {
  for (const { child } of running.values()) child.kill("SIGKILL");
  running.clear();
}

/** Runs the case in a world that was prepared for it. */
export async function networkCase(
  test: Case,
  world: World,
  words: Record<string, string>,
  { via, cut }: { via: Exclude<Via, "direct">; cut: Cut },
): Promise<Observed> {
  writeRules(join(world.work, "rules.cdb"), environmentOf(test, world, words));
  const argv = (test.argv ?? []).map((word) => world.fill(bytesOf(word), words));
  const key = JSON.stringify([test.program, test.user, argv]);
  const server = running.get(key) ?? (await start(test, world, argv, via));
  running.set(key, server);
  const seen = readFileSync(server.log, "latin1").length;
  const collected = () => (test.collect ?? []).map((tree) => collect(tree, world));
  const before = collected();
  const input = world.fill(field(test, "stdin") ?? "", words);
  const stdout = await converse(server.port, Buffer.from(input, "latin1"), cut, test.stdin_kind === "hold");
  const shown = via === "listen" ? uncounted : (text: string) => text;
  const { exit, stderr } =
    via === "tcpserver" ? await ended(server, seen) : { exit: 0, stderr: said(server, seen) };
  const after = collected();
  return {
    exit,
    stdout: shown(stdout),
    stderr,
    queued: test.qq === undefined ? [] : captured(world.scratch),
    files: after
      .flatMap((tree, index) => changes(before[index] ?? new Map(), tree))
      .map((entry) =>
        "content" in entry && entry.content !== undefined
          ? { ...entry, content: shown(entry.content) }
          : entry,
      ),
    queue: {},
  };
}

/** A server that stays counts its clients: <PID.COUNT.TIME@HOST>. */
const uncounted = (text: string): string => text.replace(/(?<=<\d+\.)\d+\.(?=\d+@)/g, "");

/** One rule for all clients, with these variables. */
function writeRules(path: string, variables: Readonly<Record<string, string>>): void {
  const maker = new CdbMaker();
  const data = Object.entries(variables).map(([name, value]) => `+${name}=${value}\0`);
  const record = maker.add(Buffer.alloc(0), Buffer.from(data.join(""), "latin1"));
  const tables = [...maker.tables()];
  writeFileSync(path, Buffer.concat([maker.header(), record, ...tables]));
}

async function start(test: Case, world: World, argv: readonly string[], via: Via): Promise<Server> {
  const program = join(world.qmail, "bin", test.program);
  const rules = join(world.work, "rules.cdb");
  const log = join(world.work, `log-${running.size}`);
  rmSync(log, { force: true });
  const fd = openSync(log, "a", 0o600);
  const port = await freePort();
  const inHome = ["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", world.home, program, ...argv];
  const { uid, gid } =
    test.user === undefined || !world.switches ? ({} as { uid?: number; gid?: number }) : userOf(test.user);
  const ids = uid === undefined ? [] : [`-u${uid}`, `-g${gid}`];
  const command =
    via === "tcpserver"
      ? ["tcpserver", "-vRHl0", "-c100", ...ids, `-x${rules}`, "127.0.0.1", String(port), ...inHome]
      : [program, `--listen=127.0.0.1:${port}`, `--rules=${rules}`, ...argv];
  const child = Bun.spawn(command, {
    stdio: ["ignore", "ignore", fd],
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...(world.switches ? {} : { QMAILHOME: world.qmail }) },
  });
  closeSync(fd);
  const server = { port, child, log };
  const ready = /tcpserver: status: 0|status: listening/;
  for (const until = Date.now() + patience; !ready.test(readFileSync(log, "latin1")); await Bun.sleep(2))
    if (Date.now() > until || child.exitCode !== null)
      throw new Error(`${command.join(" ")}: ${readFileSync(log, "latin1")}`);
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Sends everything, then the end unless `hold`; returns what came until the server closed. */
async function converse(port: number, input: Buffer, cut: Cut, hold: boolean): Promise<string> {
  const fd = dial(port);
  nonBlocking(fd);
  const most = cut === "bytes" ? 1 : input.length;
  const answer = Buffer.alloc(65536);
  const answers: Buffer[] = [];
  let sent = 0;
  let open = true;
  try {
    for (const until = Date.now() + patience; Date.now() < until; ) {
      const before = sent;
      const more = open ? sendSome(fd, input.subarray(sent, sent + most)) : undefined;
      sent += more ?? 0;
      if (open && (more === undefined || sent === input.length)) {
        open = false;
        if (!hold) endOfInput(fd);
      }
      const got = receive(fd, answer);
      if (got === 0) return Buffer.concat(answers).toString("latin1");
      if (got !== undefined) answers.push(Buffer.from(answer.subarray(0, got)));
      // Whoever sends on gives the server a chance to see each piece alone; whoever waits does not spin.
      await (sent > before ? new Promise(setImmediate) : Bun.sleep(0.5));
    }
    throw new Error(`no end of the session: ${Buffer.concat(answers).toString("latin1")}`);
  } finally {
    closeSync(fd);
  }
}

/** Bytes written; undefined if the server does not read any more. */
function sendSome(fd: number, bytes: Buffer): number | undefined {
  try {
    return writeSome(fd, bytes);
  } catch (failure) {
    if (isSystemError(failure, "ECONNRESET")) return undefined;
    throw failure;
  }
}

/** Bytes received; 0 at the end; undefined: nothing yet. */
function receive(fd: number, into: Buffer): number | undefined {
  try {
    return readSync(fd, into);
  } catch (failure) {
    if (isSystemError(failure, "EAGAIN")) return undefined;
    if (isSystemError(failure, "ECONNRESET")) return 0;
    throw failure;
  }
}

const said = ({ log }: Server, from: number): string => readFileSync(log, "latin1").slice(from);

/** How the program of the last connection ended, as tcpserver tells, and what it wrote to descriptor 2. */
async function ended(server: Server, from: number): Promise<{ exit: Exit; stderr: string }> {
  for (const until = Date.now() + patience; Date.now() < until; await Bun.sleep(0.5)) {
    const text = said(server, from);
    // The line behind it belongs to the same end, and may still be on its way.
    const status = Number(
      /^tcpserver: end \d+ status (\d+)\ntcpserver: status: .*\n/m.exec(text)?.[1] ?? Number.NaN,
    );
    if (Number.isNaN(status)) continue;
    const exit = (status & 127) === 0 ? status >> 8 : `signal ${status & 127}`;
    return { exit, stderr: text.replace(/^tcpserver: .*\n/gm, "") };
  }
  return { exit: "running", stderr: said(server, from) };
}
