/**
 * Root at work in directories of others: qmailq and alias could lay out links there, and root would give them what the
 * links lead to.
 */
import { closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { resolve } from "node:path";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Opens what is there, a link too, for nothing but its name and its rights. */
const O_PATH = 0o10000000;

const writableByOthers = 0o022;

/**
 * Does something with a path below /proc that is the one at `path`, whatever becomes of that name meanwhile. Links are
 * followed only in directories where nobody but root, or we, can make any.
 * @throws ELOOP for another link; EMLINK for a file with a second name that somebody else may have given it
 */
export function reach(path: string, act: (place: string) => void): void {
  let fd = openSync("/", O_PATH | O_DIRECTORY);
  let trusted = true;
  try {
    for (const name of resolve(path).split("/").filter(Boolean)) {
      trusted = isTrusted(fstatSync(fd));
      const next = openSync(`/proc/self/fd/${fd}/${name}`, O_PATH | (trusted ? 0 : O_NOFOLLOW));
      closeSync(fd);
      fd = next;
    }
    const found = fstatSync(fd);
    if (found.isSymbolicLink()) throw refusal("ELOOP", -40, path);
    if (!trusted && found.isFile() && found.nlink > 1) throw refusal("EMLINK", -31, path);
    act(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

const isTrusted = ({ uid, mode }: Stats): boolean =>
  (uid === 0 || uid === process.geteuid?.()) && (mode & writableByOthers) === 0;

const refusal = (code: string, errno: number, path: string): Error =>
  Object.assign(new Error(`${code}: ${path}`), { code, errno, path });
