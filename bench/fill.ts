/**
 * Fills the queue of a qmail that does not run, with what qmail-send would find: messages that were preprocessed and
 * have one recipient each, elsewhere. `bun bench/fill.ts QUEUE COUNT PART RECIPIENT DELAY`: PART tells those that run at
 * once apart; DELAY is in how many seconds the messages are due (qmail-send keeps that as the time of remote/ID while it
 * does not run). Nothing is flushed: who measures calls sync afterwards.
 */
import {
  closeSync,
  fchownSync,
  fstatSync,
  futimesSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { message } from "./pure/text.ts";

const [queue = "", count = "0", part = "0", recipient = "", delay = "0"] = process.argv.slice(2);
process.chdir(queue);
const split = readdirSync("mess").length;
const [ourUid, ourGid] = [process.geteuid?.(), process.getegid?.()];

/** What has to be done to a new file so that it is as its directory's owner would have made it. */
function giver(directory: string): (fd: number) => void {
  const { uid, gid } = statSync(`${directory}/0`);
  return uid === ourUid && gid === ourGid ? () => {} : (fd) => fchownSync(fd, uid, gid);
}

/** Makes a file; `finish` has its descriptor while that is open. */
function create<Result>(path: string, mode: number, content: Buffer, finish: (fd: number) => Result): Result {
  const fd = openSync(path, "wx", mode);
  writeSync(fd, content);
  const result = finish(fd);
  closeSync(fd);
  return result;
}

const give = { mess: giver("mess"), info: giver("info"), remote: giver("remote") };
const [text, sender, to] = [message(1000, "queued"), "Fbench@test.example\0", `T${recipient}\0`].map(
  (words) => Buffer.from(words),
) as [Buffer, Buffer, Buffer];
const due = Number(delay) > 0 ? Math.floor(Date.now() / 1000) + Number(delay) : undefined;
const fresh = `pid/fill.${part}`;
for (let number = 0; number < Number(count); number++) {
  const id = create(fresh, 0o644, text, (fd) => {
    give.mess(fd);
    return fstatSync(fd).ino;
  });
  const place = `${id % split}/${id}`;
  renameSync(fresh, `mess/${place}`);
  create(`info/${place}`, 0o600, sender, give.info);
  create(`remote/${place}`, 0o600, to, (fd) => {
    give.remote(fd);
    if (due !== undefined) futimesSync(fd, due, due);
  });
}
