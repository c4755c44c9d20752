/** Mending what a message's files say, so that it is in a state that qmail-send goes on from (queue(5)). */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
} from "node:fs";
import { basename } from "node:path";
import { isSystemError } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";
import { type Inventory, type MessageDirectory, placeOf, type Stored } from "./inventory.ts";
import { fileRights, type IdsFor } from "./mend-rights.ts";
import { type Mender, toLost } from "./mending.ts";

/** Looks at every message. */
export function mendStates(inventory: Inventory, idsFor: IdsFor, mender: Mender): void {
  const rewrite: Rewrite = (directory, path, content) => replaceFile(directory, path, content, idsFor);
  for (const message of inventory.messages.values()) {
    try {
      mendState(message, inventory.split, { mender, rewrite });
    } catch (failure) {
      // That it cannot be read has been told; where it was mended it can.
      if (mender.mends || !isSystemError(failure, "EACCES")) throw failure;
    }
  }
}

/** What the parts need. */
interface Tools {
  mender: Mender;
  rewrite: Rewrite;
}

type Rewrite = (directory: MessageDirectory, path: string, content: string) => void;

function mendState(message: Stored, split: number, tools: Tools): void {
  if (message.files.has("todo")) mendNew(message, split, tools);
  else if (message.files.has("info")) mendInfo(message, tools);
  else mendWithoutInfo(message, split, tools);
  for (const list of ["local", "remote"] as const) lookAtList(message, list, tools);
  mendMark(message, tools);
}

/** Before preprocessing only todo counts, and intd is usually the same file. */
function mendNew({ id, files }: Stored, split: number, { mender, rewrite }: Tools): void {
  const [todo, intd] = [files.get("todo"), files.get("intd")];
  if (todo === undefined || isEnvelope(contentOf(todo))) return;
  if (intd === undefined || !isEnvelope(contentOf(intd))) {
    mender.finding(`${todo} is no complete envelope, and there is no other of message ${id}`);
    return;
  }
  mender.finding(`${todo} is no complete envelope: taken from ${intd}`, () => {
    rewrite("todo", placeOf("todo", id, split), contentOf(intd));
  });
}

/** Without a sender a message would stay for ever; its failures go to the postmaster then. */
function mendInfo({ id, files }: Stored, { mender, rewrite }: Tools): void {
  const info = files.get("info");
  if (info === undefined || senderIn(contentOf(info)) !== undefined) return;
  const sender = senderIn(files.has("intd") ? contentOf(files.get("intd") ?? "") : "") ?? "";
  mender.finding(`${info} names no sender: message ${id} is from <${sender}> now`, () =>
    rewrite("info", info, `F${sender}\0`),
  );
}

/** A message that has recipients was accepted, so it is not given up. */
function mendWithoutInfo(message: Stored, split: number, { mender, rewrite }: Tools): void {
  const { id, files } = message;
  const [intd, bounce] = [files.get("intd"), files.get("bounce")];
  const lists = [files.get("local"), files.get("remote")].filter((path) => path !== undefined);
  if (lists.length === 0) {
    if (bounce !== undefined) toLost(bounce, "has no message with a sender", mender);
    return;
  }
  const envelope = intd === undefined ? "" : contentOf(intd);
  const sender = senderIn(envelope) ?? "";
  const path = placeOf("info", id, split);
  mender.finding(
    `${path} is missing, ${lists.join(" and ")} not: message ${id} is from <${sender}> now`,
    () => {
      rewrite("info", path, `F${sender}\0`);
      files.set("info", path);
    },
  );
}

function lookAtList({ files }: Stored, list: "local" | "remote", { mender, rewrite }: Tools): void {
  const path = files.get(list);
  if (path === undefined || files.has("todo")) return;
  const content = contentOf(path);
  const records = content.split("\0");
  const rest = records.pop() ?? "";
  const wrong = records.find((record) => !/^[TD]/.test(record));
  if (wrong !== undefined) {
    const kept = records.filter((record) => /^[TD]/.test(record));
    mender.finding(`${path} has a record that is no recipient: ${JSON.stringify(wrong)} is left out`, () =>
      rewrite(list, path, kept.map((record) => `${record}\0`).join("")),
    );
  }
  if (rest !== "") mender.finding(`${path} ends within a recipient: ${JSON.stringify(rest)} is not tried`);
}

/** Copying with whole seconds makes the mark of a message seem to be that of another one. */
function mendMark({ files }: Stored, { mender, rewrite }: Tools): void {
  const [hold, mess] = [files.get("hold"), files.get("mess")];
  if (hold === undefined || mess === undefined) return;
  const content = contentOf(hold);
  const identity = /\0i(\d+)\0/.exec(content)?.[1];
  const { mtimeNs } = lstatSync(mess, { bigint: true });
  if (identity === undefined || identity === mtimeNs.toString()) return;
  if (BigInt(identity) / 1_000_000_000n !== mtimeNs / 1_000_000_000n) return;
  mender.finding(`${hold} has a time that ${mess} has lost`, () =>
    rewrite("hold", hold, content.replace(`\0i${identity}\0`, `\0i${mtimeNs}\0`)),
  );
}

const isEnvelope = (content: string): boolean =>
  content.endsWith("\0") && senderIn(content) !== undefined && /^([upFT][^\0]*\0)+$/.test(content);

/** The sender in an envelope or an info file. */
const senderIn = (content: string): string | undefined => /(?:^|\0)F([^\0]*)\0/.exec(content)?.[1];

const contentOf = (path: string): string => readFileSync(path, "latin1");

/**
 * Another content under the same name, whole or not at all, with the times of the old one if there was one. It is
 * written in pid, where what a crash leaves of it is swept.
 */
function replaceFile(directory: MessageDirectory, path: string, content: string, idsFor: IdsFor): void {
  const [owner, mode] = fileRights[directory];
  const { uid, gid } = idsFor(owner);
  const old = lstatSync(path, { throwIfNoEntry: false });
  const fresh = `pid/${process.pid}.${Date.now()}.${directory}.${basename(path)}`;
  const fd = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    writeAll(fd, Buffer.from(content, "latin1"));
    fchmodSync(fd, mode);
    if (process.geteuid?.() === 0) fchownSync(fd, uid, gid);
    if (old !== undefined) futimesSync(fd, old.atime, old.mtime);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
}
