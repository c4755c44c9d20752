/**
 * qmail-popup(8): asks a POP3 client on descriptors 0 and 1, or each that connects, for a name and a password, and
 * gives them to a program like checkpassword on its descriptor 3. That program runs the rest of the session, if it
 * lets the client in.
 */
import { closeSync, writeSync } from "node:fs";
import { isSystemError, permanent } from "../core/exit.ts";
import { isResident, optionsOf } from "../core/net/listen-options.ts";
import { environmentBytes } from "../core/sys/arguments.ts";
import { writeAll } from "../core/sys/fd.ts";
import { pipe, setNonBlocking } from "../core/sys/libc.ts";
import { type Client, Peer, PeerGone, PeerTimeout } from "../core/sys/peer.ts";
import { type Child, type Start, startLikeShell } from "../core/sys/spawn.ts";
import { type Credentials, Pop3Login } from "../core/wire/pop3-login.ts";

const program = "qmail-popup";

/** Seconds to wait for the client. */
const timeout = 1200;

/** Every session ends so: a client that was let in is told nothing here. */
const over = 1;

const usage = "usage: popup hostname subprogram";

export async function main(args: Buffer[]): Promise<number> {
  if (isResident(args)) return await stay(args);
  const [host, ...checker] = args;
  // One byte at a time: what follows the password is for the next program to read.
  const peer = new Peer(timeout, { most: 1 });
  try {
    if (host === undefined || checker.length === 0) {
      await complain(peer, usage);
      return over;
    }
    const stamp = stampFor(host, "");
    const credentials = await logIn(peer, stamp);
    const descriptors = { input: 0, output: 1 };
    if (credentials !== "quit")
      await complain(peer, await check(credentials, stamp, { checker, descriptors }));
  } catch (failure) {
    if (!(failure instanceof PeerGone || failure instanceof PeerTimeout)) throw failure;
  }
  return over;
}

async function stay(args: Buffer[]): Promise<number> {
  const { listen, listenOptions, letIn } = await import("../core/net/resident.ts");
  const options = optionsOf(args);
  const [host, ...checker] = args.slice(options.length);
  if (host === undefined || checker.length === 0)
    throw permanent(
      `${program}: usage: ${program} --listen ADDRESS:PORT [ --option ... ] hostname subprogram\n`,
    );
  let count = 0;
  return await listen(listenOptions(program, options, args.slice(options.length)), {
    serve: async (client, _, changed) => {
      client.setPatience(timeout);
      const stamp = stampFor(host, `${++count}.`);
      try {
        const credentials = await logIn(client, stamp);
        if (credentials === "quit") return;
        const complaint = await letIn(client, (descriptors) =>
          check(credentials, stamp, { checker, descriptors, changed }),
        );
        await complain(client, complaint);
      } catch (failure) {
        if (!(failure instanceof PeerTimeout)) throw failure;
      }
    },
    refusal: Buffer.from("-ERR too many connections, try again later\r\n"),
  });
}

/** The session up to the password. */
async function logIn(client: Client, stamp: Buffer): Promise<Credentials | "quit"> {
  const said: Buffer[] = [];
  const session = new Pop3Login((line) => said.push(line));
  session.greet(stamp);
  for (;;) {
    for (const line of said.splice(0)) await client.write(line);
    if (session.result !== undefined) break;
    const input = await client.read();
    const taken = session.feed(input);
    client.putBack?.(input.subarray(taken));
  }
  await client.flush();
  return session.result;
}

async function complain(client: Client, complaint: string | undefined): Promise<void> {
  if (complaint === undefined) return;
  await client.write(Buffer.from(`-ERR ${complaint}\r\n`));
  await client.flush();
}

/** What no other session is greeted with. */
function stampFor(host: Buffer, count: string): Buffer {
  const seconds = Math.floor(Date.now() / 1000);
  return Buffer.concat([Buffer.from(`<${process.pid}.${count}${seconds}@`), host, Buffer.from(">")]);
}

/** How to run the checker. */
interface Checker {
  checker: readonly Buffer[];
  /** The client. */
  descriptors: { input: number; output: number };
  /** The variables that are this connection's own. */
  changed?: Readonly<Record<string, Buffer>>;
}

/** Runs the checker, and through it everything that follows; returns what there is to complain about. */
async function check(
  { user, secret }: Credentials,
  stamp: Buffer,
  { checker, descriptors: { input, output }, changed }: Checker,
): Promise<string | undefined> {
  const nul = Buffer.of(0);
  const ends = attempt(pipe);
  if (ends === undefined) return "unable to open pipe";
  const [read, write] = ends;
  let child: Child | undefined;
  try {
    const descriptors = [input, output, 2, read];
    child = startLikeShell({ command: checker, descriptors, ...environmentWith(changed) });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    closeSync(read);
    closeSync(write);
    return failure.code === "EAGAIN" || failure.code === "ENOMEM" ? "unable to fork" : "authorization failed";
  }
  const told = attempt(() => tell(read, write, Buffer.concat([user, nul, secret, nul, stamp, nul])));
  if (told === undefined) return "unable to write pipe";
  const end = await child.ended;
  if ("signal" in end) return "aack, child crashed";
  return end.code === 0 ? undefined : "authorization failed";
}

function environmentWith(changed: Checker["changed"]): Pick<Start, "environment"> {
  return changed === undefined ? {} : { environment: { ...environmentBytes(), ...changed } };
}

/**
 * Writes to the checker's pipe and closes it. As long as we could read from it ourselves it does not matter that a
 * checker ends without reading; what does not fit into the pipe at once is written when only the checker reads.
 */
function tell(read: number, write: number, text: Buffer): true {
  setNonBlocking(write);
  const sent = writeSync(write, text);
  closeSync(read);
  writeAll(write, text.subarray(sent));
  closeSync(write);
  return true;
}

/** The result, or undefined where a system call failed. */
function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}
