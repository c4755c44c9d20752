/** Putting files, links and directories in their places: whole or not at all, and never over what is there. */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { isSystemError } from "../exit.ts";
import { syncDirectory } from "../sys/durable.ts";
import { writeAll } from "../sys/fd.ts";
import { attempt, fail } from "./trouble.ts";

/** What lstat says, or undefined where there is nothing. */
export function look(path: string) {
  return attempt(`examine ${path}`, () => lstatSync(path, { throwIfNoEntry: false }));
}

/** Makes a directory unless one (or a link to one) is there; whether it did. */
export function placeDirectory(path: string, mode: number): boolean {
  const found = attempt(`examine ${path}`, () => statSync(path, { throwIfNoEntry: false }));
  if (found?.isDirectory()) return false;
  if (found !== undefined) throw fail(`unable to make directory ${path}: something else has that name`);
  attempt(`make directory ${path}`, () => {
    mkdirSync(path);
    chmodSync(path, mode);
  });
  return true;
}

/** Makes a file unless the name is taken; whether it did. */
export function placeFile(path: string, content: string, mode = 0o644): boolean {
  if (look(path) !== undefined) return false;
  replaceFile(path, content, mode);
  return true;
}

/**
 * Puts a file in its place, durably, so that every reader sees the old one or the new one whole; with its group, if one
 * is given: whoever is killed halfway leaves none that only its name makes look done.
 */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o644, gid?: number): void {
  const fresh = `${path}.${process.pid}.tmp`;
  attempt(`write ${path}`, () => {
    try {
      writeDurably(fresh, content, mode, gid);
      renameSync(fresh, path);
      syncDirectory(dirname(path));
    } catch (failure) {
      rmSync(fresh, { force: true });
      throw failure;
    }
  });
}

function writeDurably(
  path: string,
  content: string | Uint8Array,
  mode: number,
  gid: number | undefined,
): void {
  const fd = openSync(path, "wx", mode);
  try {
    if (gid !== undefined) fchownSync(fd, process.geteuid?.() ?? 0, gid);
    fchmodSync(fd, mode);
    writeAll(fd, typeof content === "string" ? Buffer.from(content) : content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a symbolic link, or lets a link that is there lead to `target`; what is no link stays. Whether it did something. */
export function placeLink(path: string, target: string): boolean {
  const found = look(path);
  if (found !== undefined && !found.isSymbolicLink()) return false;
  return attempt(`link ${path} to ${target}`, () => {
    if (found !== undefined && readlinkSync(path) === target) return false;
    const fresh = `${path}.${process.pid}.tmp`;
    symlinkSync(target, fresh);
    try {
      renameSync(fresh, path);
    } catch (failure) {
      if (isSystemError(failure)) rmSync(fresh, { force: true });
      throw failure;
    }
    return true;
  });
}

/** The text of a file, or undefined where there is none. */
export function readIfThere(path: string): string | undefined {
  if (look(path) === undefined) return undefined;
  return attempt(`read ${path}`, () => readFileSync(path, "utf8"));
}
