/** What an interrupted set-up leaves, and the lock by which no set-up takes the files of another for that. */
import { closeSync, openSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tryLockExclusive } from "../../sys/lock.ts";
import { attempt, fail } from "../trouble.ts";
import { lookAt, type Site, type Steps } from "./step.ts";

/** Directories that only administrators write to, and so only set-ups leave such files in. */
const directories = ["", "bin", "control", "alias", "man", "native", "service"];
const unfinished = /(^\..+|\.\d+)\.tmp$/;

/** Runs `work` while no other set-up of the same tree runs; fails (111) where one does. */
export async function alone<Result>(site: Site, work: () => Promise<Result>): Promise<Result> {
  const above = join(site.home, "..");
  const place =
    [above, site.prefix === "" ? "/" : site.prefix].find((path) => lookAt(path) !== undefined) ?? "/";
  const fd = attempt(`open ${place}`, () => openSync(place, "r"));
  try {
    if (!attempt(`lock ${place}`, () => tryLockExclusive(fd)))
      throw fail("another qmail setup is running here");
    return await work();
  } finally {
    closeSync(fd);
  }
}

/** A step where there are files or directories that were not finished. */
export function* leftoverSteps(site: Site): Steps {
  const found = directories.flatMap((name) => leftIn(join(site.home, name), !["", "alias"].includes(name)));
  if (found.length === 0) return;
  yield {
    words: `remove what an interrupted run has left: ${found.join(", ")}`,
    run: () => {
      for (const path of found)
        attempt(`remove ${path}`, () => rmSync(path, { recursive: true, force: true }));
    },
  };
}

function leftIn(directory: string, deep: boolean): string[] {
  if (lookAt(directory)?.isDirectory() !== true) return [];
  return attempt(`read directory ${directory}`, () =>
    readdirSync(directory, { withFileTypes: true }),
  ).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (unfinished.test(entry.name)) return [path];
    return deep && entry.isDirectory() ? leftIn(path, deep) : [];
  });
}
