/** Which barrier a sync is: by the function of production code that called it, and what it syncs. */
import { placeOf } from "./world.ts";

/** Functions that only pass on. */
const passing = new Set([
  "syncFile",
  "syncDirectory",
  "syncFileSystem",
  "syncFileSystemOf",
  "syncNames",
  "withOpen",
  "filesBarrier",
  "namesBarrier",
  "barrier",
  "settle",
  "attempt",
  "during",
  "duringWrite",
  "syncNow",
  "writeDurably",
  "each",
  "flush",
  "all",
  "map",
  "forEach",
]);

/** `commit: fsync mess`. */
export function barrierAt(call: string, path: string): string {
  const stack = new Error().stack ?? "";
  const frames = stack
    .split("\n")
    .map((line) => /^\s*at (?:async )?(?:new )?([\w#$]+) \(/.exec(line)?.[1] ?? "");
  // The bundle numbers functions that share a name.
  const names = frames.map((name) => name.replace(/\d+$/, ""));
  const own = names.findIndex((name) => name === "fsyncSync" || name === "syncFileSystem");
  const caller = names
    .slice(own + 1)
    .find((name) => name !== "" && name !== "anonymous" && !passing.has(name));
  // A message's file is known by its first name.
  const place = placeOf(path).replace(/^pid$/, "mess");
  return `${caller ?? "?"}: ${call === "syncfs" ? call : `fsync ${call === "fsync directory" ? "" : "file "}${place}`}`;
}
