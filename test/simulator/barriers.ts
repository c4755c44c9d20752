/** Which barrier a sync is: by the functions of production code that called it, and what it syncs. */
import { placeOf } from "./world.ts";

/** Functions that only pass on, and those of the simulator. */
const passing = new Set([
  "anonymous",
  "<anonymous>",
  "syncFile",
  "syncDirectory",
  "syncFileSystem",
  "syncFileSystemOf",
  "withOpen",
  "attempt",
  "attempt2",
  "during",
  "duringWrite",
  "syncNow",
  "each",
  "all",
  "map",
  "forEach",
]);

const most = 2;

/** `commit: fsync mess`. */
export function barrierAt(call: string, path: string): string {
  const lines = (new Error().stack ?? "").split("\n");
  // Our own frames are those of files; production code was evaluated.
  const names = lines
    .map((line) => /^\s*at (?:async )?(?:new )?([\w#$.<>]+)/.exec(line)?.[1] ?? "")
    .filter((name) => name !== "" && !passing.has(name));
  const from = names.findIndex((name) => name === "fsyncSync" || name === "syncFileSystem");
  const chain = names.slice(from + 1).slice(0, most);
  const what = call === "syncfs" ? "syncfs" : `${call.replace(" directory", "")} ${placeOf(path)}`;
  return `${chain.join(" < ")}: ${what}`;
}
