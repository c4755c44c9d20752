/** Files of another qmail that ours take the place of: kept under `before` in the home, at the same path. */
import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { isSystemError } from "../../exit.ts";
import { attempt } from "../trouble.ts";
import { lookAt, type Site, type Steps } from "./step.ts";

/** The directory of what was replaced, relative to the home. */
export const before = "before";

const setIds = 0o6000;

/**
 * Gives a file a second name below `before`; its own name stays until something is renamed over it, so that it is never
 * missing. `path` is relative to the home.
 */
export function keepAside(site: Site, path: string): void {
  const from = join(site.home, path);
  const to = join(site.home, before, path);
  attempt(`keep ${from} as ${to}`, () => {
    mkdirSync(dirname(to), { recursive: true });
    try {
      linkSync(from, to);
    } catch (failure) {
      if (!isSystemError(failure, "EEXIST")) throw failure;
      // An interrupted run has made this link, or an earlier replacement has left an older file.
      if (lstatSync(from).ino === lstatSync(to).ino) return;
      rmSync(to);
      linkSync(from, to);
    }
  });
}

/** A step for each program that was kept and still has a set-user-id bit, though nothing in bin is that file any more. */
export function* disarmSteps(site: Site): Steps {
  const kept = join(site.home, before, "bin");
  if (lookAt(kept) === undefined) return;
  for (const name of attempt(`read directory ${kept}`, () => readdirSync(kept))) {
    const path = join(kept, name);
    const found = lookAt(path);
    const inUse = lookAt(join(site.home, "bin", name))?.ino === found?.ino;
    if (found?.isFile() !== true || inUse || (found.mode & setIds) === 0) continue;
    yield {
      words: `take the set-user-id bit from ${path}`,
      run: () => attempt(`set the mode of ${path}`, () => chmodSync(path, found.mode & ~setIds & 0o7777)),
    };
  }
}
