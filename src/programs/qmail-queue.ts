/**
 * qmail-queue(8): takes a message from descriptor 0 and its envelope from descriptor 1 into the queue. Exit 0 means
 * that a power cut can not take it away any more (core/queue/entry.ts says how).
 */
import { bytes } from "../core/bytes/text.ts";
import { Exit } from "../core/exit.ts";
import { attempt, queueExit } from "../core/queue/codes.ts";
import { enterQueue, takeIn } from "../core/queue/intake.ts";
import { queueRoot } from "../core/queue/paths.ts";
import { readBefore } from "../core/sys/fd.ts";
import { alarm } from "../core/sys/libc.ts";
import { ignoreSignals, unblockSignals } from "../core/sys/signals.ts";
import { becomeOwnerOf } from "../core/users/identity.ts";

const messageInput = 0;
const envelopeInput = 1;
const chunk = 65536;

/** After this, and well before the 36 hours after which qmail-send takes an entry for dead, we give up. In seconds. */
const limit = 86400;

/** If a system call hangs at that time, the kernel ends it (and us) this much later. In seconds. */
const grace = 60;

/** By this word a server starts one that stays: for all its messages. */
const stays = bytes("--resident");

export async function main(args: readonly Buffer[]): Promise<number> {
  try {
    return args.length === 1 && args[0]?.equals(stays) ? await stay() : take();
  } catch (failure) {
    if (failure instanceof Exit) throw failure;
    const fault = failure instanceof Error ? failure.stack : failure;
    throw new Exit(queueExit.bug, `qmail-queue: fatal: ${fault}\n`);
  }
}

async function stay(): Promise<number> {
  const uid = process.getuid?.() ?? 0;
  prepare();
  const { serveRequests } = await import("../core/queue/resident-server.ts");
  return await serveRequests(uid);
}

function prepare(): void {
  unblockSignals();
  ignoreSignals("SIGPIPE", "SIGVTALRM", "SIGPROF", "SIGQUIT", "SIGINT", "SIGHUP", "SIGXCPU", "SIGXFSZ");
  process.umask(0o033);
  enterQueue();
  attempt(queueExit.pid, () => becomeOwnerOf(`${queueRoot()}/pid`));
}

function take(): number {
  const started = Math.floor(Date.now() / 1000);
  const deadline = (started + limit) * 1000;
  const uid = process.getuid?.() ?? 0;
  alarm(limit + grace);
  prepare();
  const message = pieces(messageInput, deadline);
  takeIn({ started, uid, deadline, message, envelope: pieces(envelopeInput, deadline) });
  return 0;
}

/** What arrives on a descriptor until its end. A piece is valid until the next one. */
function* pieces(fd: number, deadline: number): Generator<Buffer, void> {
  const buffer = Buffer.allocUnsafe(chunk);
  for (;;) {
    const length = attempt(queueExit.read, () => readBefore(deadline, fd, buffer));
    if (length === undefined) throw new Exit(queueExit.timeout);
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}
