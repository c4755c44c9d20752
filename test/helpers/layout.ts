/** The queue's directories and files, with the modes and owners of a system-wide installation. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFifo } from "../../src/core/sys/libc.ts";
import { qmailGroup, userNumbers } from "./users.ts";

/** Name, owner, mode, and whether it has the 23 numbered subdirectories. */
const directories: readonly (readonly [string, string, number, boolean])[] = [
  ["", "qmailq", 0o750, false],
  ["pid", "qmailq", 0o700, false],
  ["intd", "qmailq", 0o700, false],
  ["todo", "qmailq", 0o750, false],
  ["bounce", "qmails", 0o700, false],
  ["mess", "qmailq", 0o750, true],
  ["info", "qmails", 0o700, true],
  ["local", "qmails", 0o700, true],
  ["remote", "qmails", 0o700, true],
  ["lock", "qmailq", 0o750, false],
];

export const split = 23;
const tcptoBytes = 1024;

/** Makes a whole queue; owners only where `owned`. */
export function layOutQueue(queue: string, owned: boolean): void {
  const give = (path: string, owner: string, mode: number) => {
    if (owned) chownSync(path, userNumbers[owner] ?? 0, qmailGroup);
    chmodSync(path, mode);
  };
  const directory = (path: string, owner: string, mode: number) => {
    mkdirSync(path, { recursive: true });
    give(path, owner, mode);
  };
  for (const [name, owner, mode, isSplit] of directories) {
    directory(join(queue, name), owner, mode);
    for (let part = 0; isSplit && part < split; part++)
      directory(join(queue, name, String(part)), owner, mode);
  }
  const lock = (name: string) => join(queue, "lock", name);
  writeFileSync(lock("tcpto"), Buffer.alloc(tcptoBytes));
  give(lock("tcpto"), "qmailr", 0o644);
  writeFileSync(lock("sendmutex"), "");
  give(lock("sendmutex"), "qmails", 0o600);
  makeFifo(lock("trigger"), 0o622);
  give(lock("trigger"), "qmails", 0o622);
}
