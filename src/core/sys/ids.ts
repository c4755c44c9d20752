/** Which user a process is. Every decision is made by capability: who is not root keeps the ids it has. */
import { statSync } from "node:fs";

/**
 * Root becomes the owner of a file or directory, with its group and no other, so that what it makes there belongs
 * to whom it should. Anybody else stays what they are, and so does root where root is the owner.
 * @throws SystemError if the path is not there
 */
export function becomeOwnerOf(path: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(path);
  if (uid === 0) return;
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
