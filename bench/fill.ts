/**
 * Fills the queue of a qmail that does not run, with what qmail-send would find: messages that were preprocessed and
 * have one recipient each, elsewhere, due. `bun bench/fill.ts QUEUE COUNT PART`; PART tells those that run at once apart.
 */
import {
  closeSync,
  fchownSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { message } from "./pure/text.ts";

const [queue = "", count = "0", part = "0"] = process.argv.slice(2);
process.chdir(queue);
const split = readdirSync("mess").length;
const owners = new Map(["mess", "info", "remote"].map((name) => [name, statSync(`${name}/0`)]));

/** A new file, as its directory's owner would have made it. */
function create(path: string, directory: string, mode: number, content: string): number {
  const fd = openSync(path, "wx", mode);
  writeSync(fd, content);
  const { uid, gid } = owners.get(directory) ?? statSync(".");
  fchownSync(fd, uid, gid);
  const { ino } = fstatSync(fd);
  closeSync(fd);
  return ino;
}

const text = message(1000, "queued");
for (let number = 0; number < Number(count); number++) {
  const fresh = `pid/fill.${part}`;
  const id = create(fresh, "mess", 0o644, text);
  const place = `${id % split}/${id}`;
  renameSync(fresh, `mess/${place}`);
  create(`info/${place}`, "info", 0o600, "Fbench@test.example\0");
  create(`remote/${place}`, "remote", 0o600, "Tjoe@elsewhere.example\0");
}
