/** Putting every part of a private home in its place; what is there stays as it is. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { programs } from "../../programs.ts";
import { isSystemError } from "../exit.ts";
import { makeEntry, queueLayout } from "../queue/layout.ts";
import { defaultSplit } from "../queue/paths.ts";
import { syncDirectory } from "../sys/durable.ts";
import { homeIn, type Place } from "./assignments.ts";
import { executables } from "./executables.ts";
import { controlFiles } from "./host.ts";
import { mendUsers, type Note, ownersAddresses } from "./mailboxes.ts";
import { look, placeDirectory, placeFile, placeLink, readIfThere, replaceFile } from "./place.ts";
import { attempt } from "./trouble.ts";

/** What there was to do: the paths made, relative to the home, and the mail user that the home belongs to. */
export interface Mended {
  owner: string;
  made: string[];
}

/** Completes the home, durably. Runs as its owner; `account` is the owner's name on this machine. */
export async function mend(place: Place, host: string, account: string | undefined): Promise<Mended> {
  const { home } = place;
  process.umask(0o022);
  const made: string[] = [];
  const note: Note = (path, done) => {
    if (done) made.push(path);
  };
  // control/me comes first: it is what tells a home from any other directory.
  placeDirectories(home, { control: 0o755 }, note);
  placeFiles(home, "control", controlFiles(host), note);
  placeDirectories(home, { alias: 0o755, bin: 0o755, users: 0o755, mail: 0o711 }, note);
  mendQueue(home, note);
  for (const { name } of programs)
    note(`bin/${name}`, placeLink(join(home, "bin", name), join(executables(), name)));
  const before = homeIn(readIfThere(join(home, "users/assign")) ?? "");
  const owner = await mendUsers(place, account, note);
  placeFiles(home, "alias", aliasFiles(owner), note);
  mendStartScript(home, before, note);
  settle(home, made);
  return { owner, made };
}

function placeDirectories(home: string, modes: Readonly<Record<string, number>>, note: Note): void {
  for (const [path, mode] of Object.entries(modes)) note(path, placeDirectory(join(home, path), mode));
}

function placeFiles(
  home: string,
  directory: string,
  files: Readonly<Record<string, string>>,
  note: Note,
): void {
  for (const [name, content] of Object.entries(files)) {
    const path = `${directory}/${name}`;
    note(path, placeFile(join(home, path), content));
  }
}

/** Mail to the alias user, and to the addresses that every host has to have, is forwarded to the owner. */
export function aliasFiles(owner: string): Record<string, string> {
  const forwarded = ownersAddresses.filter((name) => name !== owner).map((name) => `.qmail-${name}`);
  return Object.fromEntries([".qmail", ...forwarded].map((name) => [name, `&${owner}\n`]));
}

function mendQueue(home: string, note: Note): void {
  for (const entry of queueLayout(splitOf(home)))
    note(
      entry.path,
      attempt(`make ${home}/${entry.path}`, () => makeEntry(home, entry)),
    );
}

/** In how many folders the queue is split: the largest count, for a folder of one kind may be what is missing. */
export function splitOf(home: string): number {
  const counts = ["mess", "info", "local", "remote"].map((kind) => {
    const path = join(home, "queue", kind);
    if (look(path) === undefined) return 0;
    return attempt(`read directory ${path}`, () => readdirSync(path)).filter((name) => /^\d+$/.test(name))
      .length;
  });
  return Math.max(...counts) || defaultSplit;
}

/** Writes rc, also where it is still the one of the place that the home was moved from. */
function mendStartScript(home: string, before: string | undefined, note: Note): void {
  const path = join(home, "rc");
  const outdated = before !== undefined && before !== home && readIfThere(path) === startScript(before);
  if (outdated) replaceFile(path, startScript(home), 0o755);
  note("rc", outdated || placeFile(path, startScript(home), 0o755));
}

/** The start script: qmail-start in a clean environment, as /var/qmail/rc has it. */
function startScript(home: string): string {
  return `#!/bin/sh
# Starts the mail system of this home; it runs until it gets SIGTERM. The log goes to descriptor 1, or, with
# arguments, to the program they name: rc splogger qmail. See qmail-start(8).
home='${home.replaceAll("'", "'\\''")}'
exec env - QMAILHOME="$home" PATH="$home/bin:/usr/local/bin:/usr/bin:/bin" \\
  qmail-start ./Maildir/ "$@"
`;
}

/** Makes the names of all that was made durable; the files' contents are so already. */
function settle(home: string, made: readonly string[]): void {
  if (made.length === 0) return;
  for (const path of new Set(made.map((made) => dirname(join(home, made)))))
    attempt(`sync ${path}`, () => syncDirectory(path));
  const parent = dirname(home);
  try {
    syncDirectory(parent);
  } catch (failure) {
    // The home may lie in a directory that its owner can not read; the system writes it in its own time.
    if (!isSystemError(failure, "EACCES")) throw failure;
  }
}
