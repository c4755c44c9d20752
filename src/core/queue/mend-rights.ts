/** Mending what is there of the queue itself, and who may do what with it (queue(5)). */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { isSystemError } from "../exit.ts";
import { holdDirectory } from "./holds.ts";
import { entriesOf, type Inventory, type MessageDirectory } from "./inventory.ts";
import { makeEntry, type QueueEntry, type QueueOwner, queueLayout } from "./layout.ts";
import type { Mender } from "./mending.ts";
import { askDirectory } from "./order-file.ts";

/** The ids that something of the queue has to have. In a private home all are the same. */
export type IdsFor = (owner: QueueOwner) => { uid: number; gid: number };

/** Seconds after which a file in pid is nobody's: qmail-queue gives up after 24 hours. */
const ossified = 129_600;

/** Who owns the files of messages, and their modes. */
export const fileRights: Readonly<Record<MessageDirectory, readonly [QueueOwner, number]>> = {
  mess: ["qmailq", 0o644],
  intd: ["qmailq", 0o644],
  todo: ["qmailq", 0o644],
  info: ["qmails", 0o600],
  local: ["qmails", 0o600],
  remote: ["qmails", 0o600],
  bounce: ["qmails", 0o600],
  hold: ["qmails", 0o600],
};

/** Directories that only some queues have. */
const optional = [askDirectory, holdDirectory];

/** The lock of qmail-send, which has to be there before anything else is done. */
export function mendLock(home: string, idsFor: IdsFor, mender: Mender): void {
  if (lstatSync("lock", { throwIfNoEntry: false })?.isDirectory() === false) return;
  for (const entry of queueLayout().filter(({ path }) => /^queue\/lock(\/sendmutex)?$/.test(path)))
    if (lstatSync(relative(entry), { throwIfNoEntry: false }) === undefined && mender.mends)
      mender.finding(`${relative(entry)} is missing`, () => makeOwned(home, entry, idsFor));
}

/** The directories and the files in lock, with the queue as the current directory: makes what is missing, gives back what belongs to somebody else. */
export function mendLayout(home: string, split: number, idsFor: IdsFor, mender: Mender): void {
  // What lies behind a link is not the queue's, and no business of root's.
  const foreign: string[] = [];
  for (const entry of queueLayout(split)) {
    const path = relative(entry);
    if (foreign.some((other) => path.startsWith(`${other}/`))) continue;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) {
      mender.finding(`${path} is missing`, () => makeOwned(home, entry, idsFor));
    } else if (isKind(found, entry)) {
      mendRights(path, found, idsFor(entry.owner), entry.mode, mender);
    } else {
      foreign.push(path);
      mender.finding(`${path} is no ${entry.kind}: put it aside, and run the repair again`);
    }
  }
  for (const name of optional) {
    const found = lstatSync(name, { throwIfNoEntry: false });
    if (found?.isDirectory()) mendRights(name, found, idsFor("qmails"), 0o700, mender);
  }
  for (const { name } of entriesOf(askDirectory)) {
    const path = `${askDirectory}/${name}`;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isFile()) mendRights(path, found, idsFor("qmails"), 0o600, mender);
  }
}

/** The path of an entry in the queue; `.` is the queue. */
const relative = ({ path }: QueueEntry): string => path.replace(/^queue\/?/, "") || ".";

function makeOwned(home: string, entry: QueueEntry, idsFor: IdsFor): void {
  makeEntry(home, entry);
  const { uid, gid } = idsFor(entry.owner);
  lchownSync(`${home}/${entry.path}`, uid, gid);
}

function isKind(found: Stats, { kind }: QueueEntry): boolean {
  return { directory: found.isDirectory(), file: found.isFile(), fifo: found.isFIFO() }[kind];
}

/** The files of messages. */
export function mendFileRights({ messages }: Inventory, idsFor: IdsFor, mender: Mender): void {
  for (const { files } of messages.values()) {
    for (const [directory, path] of files) {
      const found = lstatSync(path, { throwIfNoEntry: false });
      const [owner, mode] = fileRights[directory];
      if (found !== undefined) mendRights(path, found, idsFor(owner), mode, mender);
    }
  }
}

function mendRights(
  path: string,
  found: Stats,
  { uid, gid }: { uid: number; gid: number },
  mode: number,
  mender: Mender,
): void {
  const [wrongOwner, now] = [found.uid !== uid || found.gid !== gid, found.mode & 0o7777];
  if (wrongOwner && !mayGive(found, uid)) {
    mender.finding(`${path} belongs to uid ${found.uid}: root has to run chown ${uid}:${gid} on it`);
    return;
  }
  if (!wrongOwner && now === mode) return;
  const words = [
    ...(wrongOwner ? [`belongs to ${found.uid}:${found.gid} instead of ${uid}:${gid}`] : []),
    ...(now === mode ? [] : [`has mode ${octal(now)} instead of ${octal(mode)}`]),
  ];
  mender.finding(`${path} ${words.join(" and ")}`, () =>
    setRights(path, found, wrongOwner ? { uid, gid } : undefined, mode),
  );
}

/** Only root gives files away; a group of our own everybody may set. */
const mayGive = (found: Stats, uid: number): boolean => process.geteuid?.() === 0 || found.uid === uid;

const octal = (mode: number): string => `0${mode.toString(8)}`;

/** By an open file that is the one that was looked at: no link of somebody else's leads root elsewhere. */
function setRights(
  path: string,
  found: Stats,
  ids: { uid: number; gid: number } | undefined,
  mode: number,
): void {
  if (process.geteuid?.() !== 0) {
    if (ids !== undefined) lchownSync(path, ids.uid, ids.gid);
    chmodSync(path, mode);
    return;
  }
  const { O_RDONLY, O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, (found.isFIFO() ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK);
  try {
    const { ino, dev } = fstatSync(fd);
    if (ino !== found.ino || dev !== found.dev)
      throw Object.assign(new Error(`EAGAIN: ${path}`), { code: "EAGAIN", errno: -11, path });
    if (ids !== undefined) fchownSync(fd, ids.uid, ids.gid);
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}

/** What qmail-queue left in pid when it was killed. */
export function mendPid(now: number, mender: Mender): void {
  for (const { name } of entriesOf("pid")) {
    const path = `pid/${name}`;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined || now < found.mtimeMs / 1000 + ossified) continue;
    mender.finding(`${path} was never accepted, and nobody has written to it for 36 hours`, () => {
      try {
        unlinkSync(path);
      } catch (failure) {
        if (!isSystemError(failure, "ENOENT")) throw failure;
      }
    });
  }
}
