/** The directories of the home and the queue: made where they are missing, put right where owner or mode is wrong. */
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeEntry } from "../../queue/layout.ts";
import { splitOf } from "../mend.ts";
import { attempt, fail } from "../trouble.ts";
import { differing, lookAt, own, type Site, type Steps } from "./step.ts";
import { homeLayout, modeText, ownershipText, systemQueue, type TreeEntry } from "./tree.ts";

/** The home, and what lies beside its queue. */
export function* directorySteps(site: Site): Steps {
  for (const entry of homeLayout) {
    const path = join(site.home, entry.path);
    const found = lookAt(path);
    if (found === undefined)
      yield {
        words: `make directory ${path} (${ownershipText(entry)})`,
        run: () => makeDirectory(path, entry),
      };
    // A home that is a link to another disk is one, too.
    else if (found.isDirectory()) yield* mendStep(path, entry);
    else if (!found.isSymbolicLink())
      throw fail(`unable to make directory ${path}: something else has that name`);
  }
}

/** Makes a directory under another name first, so that nobody ever meets it with the wrong owner. */
function makeDirectory(path: string, entry: TreeEntry): void {
  const fresh = join(dirname(path), `.${basename(path)}.tmp`);
  attempt(`make directory ${path}`, () => {
    mkdirSync(dirname(path), { recursive: true });
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh);
  });
  own(fresh, entry);
  attempt(`make directory ${path}`, () => renameSync(fresh, path));
}

function* mendStep(path: string, entry: TreeEntry): Steps {
  const wrong = attempt(`examine ${path}`, () => differing(path, entry));
  const run = () => own(path, entry);
  if (wrong === "owner") yield { words: `give ${path} to ${entry.owner}:${entry.group}`, run };
  if (wrong === "mode") yield { words: `set the mode of ${path} to ${modeText(entry.mode)}`, run };
}

/** The queue. Messages that are in it are not touched. */
export function* queueSteps(site: Site): Steps {
  const { home } = site;
  if (lookAt(join(home, "queue")) === undefined)
    yield { words: `make the queue ${home}/queue (qmailq:qmail 0750)`, run: () => makeQueue(home) };
  const entries = systemQueue(splitOf(home));
  for (const { path } of entries.slice(1))
    if (lookAt(join(home, path))?.isSymbolicLink())
      throw fail(`${join(home, path)} is a symbolic link: put it aside`);
  const absent = entries.filter(({ path }) => lookAt(join(home, path)) === undefined);
  // A queue that was only going to be made is all absent.
  if (absent.length > 0 && absent.length < entries.length)
    yield {
      words: `make what is missing in the queue: ${absent.map(({ path }) => path).join(", ")}`,
      run: () => makeEntries(home, absent),
    };
  for (const entry of entries) {
    const path = join(home, entry.path);
    if (lookAt(path) !== undefined) yield* mendStep(path, entry);
  }
}

/** Makes it elsewhere first: a queue with a part of its folders would be taken for one that is split otherwise. */
function makeQueue(home: string): void {
  const elsewhere = join(home, ".queue.tmp");
  attempt(`make ${home}/queue`, () => {
    rmSync(elsewhere, { recursive: true, force: true });
    mkdirSync(elsewhere, { mode: 0o700 });
  });
  makeEntries(elsewhere, systemQueue());
  attempt(`make ${home}/queue`, () => {
    renameSync(join(elsewhere, "queue"), join(home, "queue"));
    rmSync(elsewhere, { recursive: true });
  });
}

function makeEntries(home: string, entries: ReturnType<typeof systemQueue>): void {
  for (const entry of entries) {
    attempt(`make ${home}/${entry.path}`, () => makeEntry(home, entry));
    own(join(home, entry.path), entry);
  }
}

/** Whether a queue's todo is split into folders, as some patches have it. */
export function isSplitTodo(home: string): boolean {
  const todo = join(home, "queue/todo");
  return (
    lookAt(todo) !== undefined &&
    attempt(`read directory ${todo}`, () => readdirSync(todo, { withFileTypes: true })).some((entry) =>
      entry.isDirectory(),
    )
  );
}
