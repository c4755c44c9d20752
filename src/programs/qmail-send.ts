/**
 * qmail-send(8): schedules the messages in the queue for delivery. Log on descriptor 0; commands on 1 and 3, reports
 * on 2 and 4 (qmail-lspawn, qmail-rspawn); requests on 5, answers on 6 (qmail-clean).
 */
import { constants, fstatSync, openSync } from "node:fs";
import { ControlTrouble } from "../core/control/routing.ts";
import { decodeSlot, type SlotWidth, takeSlotWidth } from "../core/delivery/slot-number.ts";
import { Exit, isSystemError } from "../core/exit.ts";
import { Cleaning, takeWhoCleans } from "../core/queue/cleaning.ts";
import { relativePath } from "../core/queue/paths.ts";
import { lockForSending } from "../core/queue/queue-lock.ts";
import { readSome } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { become, idsOf, queueIdentity } from "../core/users/identity.ts";
import { Bell } from "./qmail-send/bell.ts";
import { helpPause, type Settings } from "./qmail-send/context.ts";
import { type Controls, readControls } from "./qmail-send/controls.ts";
import { Outbox } from "./qmail-send/outbox.ts";
import { bringToLife, type Living, seconds, spawners } from "./qmail-send/outside.ts";
import { Signals } from "./qmail-send/signals.ts";

const logDescriptor = 0;

/** Longest wait in milliseconds: the runtime's timers count them in 31 bits. */
const longestWait = 86_400_000;

/** The log. If nobody reads it any more, mail goes on. */
const log = new Outbox(logDescriptor, () => {});

function cannotStart(why: string): Exit {
  log.add(`alert: cannot start: ${why}\n`);
  log.flush();
  return new Exit(111);
}

/** A program of the queue that is started as root becomes its own user first. */
function chooseUser(): void {
  const identity = queueIdentity();
  if (identity.kind === "users") become(idsOf("qmails"));
  if (identity.kind === "owner") become(identity.ids);
}

function enter(directory: string, name: string): void {
  try {
    process.chdir(directory);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw cannotStart(`unable to switch to ${name} directory`);
  }
}

function controlsOrExit(): Controls {
  try {
    return readControls();
  } catch (failure) {
    if (!(failure instanceof ControlTrouble)) throw failure;
    throw cannotStart("unable to read controls");
  }
}

/** Only one qmail-send works on a queue. The lock lasts as long as the process. */
function takeQueue(): void {
  let fd: number;
  try {
    fd = openSync("lock/sendmutex", constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw cannotStart("unable to open mutex");
  }
  if (!lockForSending(fd)) throw cannotStart("qmail-send is already running");
}

/** A spawner's first byte, or the first two: how many deliveries it can have under way. */
function spawnLimit(fd: number, width: SlotWidth): number {
  const limit = Buffer.alloc(width);
  try {
    // A descriptor that nobody gave us may be one of the runtime's own, which are of no file type.
    const fileType = fstatSync(fd).mode & constants.S_IFMT;
    if (fileType !== 0 && readFully(fd, limit)) return decodeSlot(limit, width);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
  throw cannotStart("hath the daemon spawn no fire?");
}

/** False: the file ended before. */
function readFully(fd: number, into: Buffer): boolean {
  for (let got = 0; got < into.length; ) {
    const length = readSome(fd, into.subarray(got));
    if (length === 0) return false;
    got += length;
  }
  return true;
}

/** The control files' limits, or the spawners' where they are lower. */
function limited(settings: Omit<Settings, "slotWidth">, slotWidth: SlotWidth): Settings {
  const [local, remote] = settings.concurrency;
  return {
    ...settings,
    slotWidth,
    concurrency: [
      Math.min(local, spawnLimit(spawners[0].reports, slotWidth)),
      Math.min(remote, spawnLimit(spawners[1].reports, slotWidth)),
    ],
  };
}

/** The queue manager; ends after TERM, or when a partner is gone. */
export async function main(): Promise<number> {
  try {
    return await manage();
  } catch (failure) {
    if (failure instanceof Exit) throw failure;
    // Descriptor 2 is a pipe from qmail-lspawn: what nobody foresaw is told in the log or nowhere.
    log.add(`alert: oh no! ${String(failure instanceof Error ? failure.stack : failure)}\n`);
    log.flush();
    return 111;
  }
}

async function manage(): Promise<number> {
  const signals = new Signals();
  const slotWidth = takeSlotWidth();
  const cleansItself = takeWhoCleans();
  chooseUser();
  enter(qmailHome(), "home");
  const controls = controlsOrExit();
  enter("queue", "queue");
  process.umask(0o077);
  takeQueue();
  const bell = new Bell();
  const living = bringToLife(
    controls,
    limited(controls.settings, slotWidth),
    cleansItself ? new Cleaning(relativePath, true) : undefined,
    log,
    bell,
    signals,
  );
  await enroll(living);
  await run(living, bell);
  living.manager.finish();
  living.flush();
  return 0;
}

/** Finds what an earlier qmail-send left. A directory that cannot be read is tried again for ever. */
async function enroll({ manager, flush }: Living): Promise<void> {
  while (!manager.enroll(seconds())) {
    flush();
    await new Promise((resolve) => setTimeout(resolve, helpPause * 1000));
  }
}

async function run({ manager, flush }: Living, bell: Bell): Promise<void> {
  for (;;) {
    const more = manager.work(seconds());
    flush();
    if (manager.finished()) return;
    const milliseconds = more ? 0 : manager.wakeAt() * 1000 - Date.now();
    await bell.wait(Math.min(Math.max(milliseconds, 0), longestWait));
  }
}
