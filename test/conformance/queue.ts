/** The queue of a case: messages put there before, and what is there afterwards. */
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { split } from "../helpers/layout.ts";
import { groupOf, userNumbers } from "../helpers/users.ts";
import { bytesOf, field, type QueueMessage } from "./format.ts";

/** A file found in the queue; strings are latin1. */
export interface QueueFile {
  content: string;
  mode: string;
  split_ok?: boolean;
  next_minus_birth?: number;
}

const parts = ["bounce", "info", "intd", "local", "mess", "pid", "remote", "todo"];
const isSplit = ["info", "local", "mess", "remote"];

/** All files of the queue, by part; parts without files are left out. */
export function queueFiles(queue: string): Record<string, QueueFile[]> {
  const found: Record<string, QueueFile[]> = {};
  for (const part of parts) {
    const files = filesBelow(join(queue, part)).map((path) => describe(queue, part, path));
    if (files.length > 0) found[part] = files;
  }
  return found;
}

/** Whether no file is in the queue; for a queue that is being worked on, too. */
export const isEmpty = (queue: string): boolean =>
  parts.every((part) => filesBelow(join(queue, part)).length === 0);

function filesBelow(directory: string): string[] {
  if (!lstatSync(directory, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function describe(queue: string, part: string, path: string): QueueFile {
  const stat = statSync(path);
  const file: QueueFile = {
    content: readFileSync(path, "latin1"),
    mode: `0${(stat.mode & 0o7777).toString(8)}`,
  };
  if (part === "mess")
    file.split_ok = path === join(queue, "mess", String(stat.ino % split), String(stat.ino));
  if (part === "local" || part === "remote") {
    const birth = statSync(path.replace(`/${part}/`, "/info/"), { throwIfNoEntry: false })?.mtimeMs;
    if (birth !== undefined) file.next_minus_birth = Math.round((stat.mtimeMs - birth) / 1000);
  }
  return file;
}

/** Puts a message into the queue and returns its number. `owned`: the files get qmail's owners. */
export function enqueue(queue: string, message: QueueMessage, owned: boolean): number {
  const unnamed = join(queue, "pid", "unnamed");
  writeFileSync(unnamed, Buffer.from(field(message, "message") ?? "", "latin1"));
  const id = statSync(unnamed).ino;
  const put = (part: string, content: string, owner: string, mode: number, time?: number) => {
    const path = join(queue, part, ...(isSplit.includes(part) ? [String(id % split)] : []), String(id));
    if (part === "mess") renameSync(unnamed, path);
    else writeFileSync(path, Buffer.from(content, "latin1"));
    chmodSync(path, mode);
    if (owned) chownSync(path, userNumbers[owner] ?? 0, groupOf(owner));
    if (time !== undefined) utimesSync(path, time, time);
    return path;
  };
  put("mess", "", "qmailq", 0o644);
  if (message.stage === "queued") putQueued(message, put);
  else linkSync(put("intd", envelope(message), "qmailq", 0o644), join(queue, "todo", String(id)));
  return id;
}

type Put = (part: string, content: string, owner: string, mode: number, time?: number) => string;

/** info, local, remote and bounce of a message that was already preprocessed. */
function putQueued(message: QueueMessage, put: Put): void {
  const now = Math.floor(Date.now() / 1000);
  put("info", `F${field(message, "sender") ?? ""}\0`, "qmails", 0o600, now - (message.age ?? 0));
  for (const part of ["local", "remote"] as const) {
    const records = message[part]?.map((record) => `${bytesOf(record)}\0`);
    if (records !== undefined) put(part, records.join(""), "qmails", 0o600, now + (message.next ?? -1));
  }
  const bounce = field(message, "bounce");
  if (bounce !== undefined) put("bounce", bounce, "qmails", 0o600);
}

function envelope(message: QueueMessage): string {
  const raw = field(message, "raw_envelope");
  if (raw !== undefined) return raw;
  const recipients = (message.recips ?? []).map((recipient) => `T${bytesOf(recipient)}\0`);
  const head = `u${message.uid ?? 1234}\0p${message.pid ?? 5678}\0F${field(message, "sender") ?? ""}\0`;
  return head + recipients.join("");
}
