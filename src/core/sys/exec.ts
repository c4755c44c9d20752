/** Becoming another program: same process, same descriptors, new code. */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { environmentBytes } from "./arguments.ts";
import { executeWith } from "./libc.ts";
import { ignoreSignals, restoreSignals } from "./signals.ts";
import { isText } from "./spawn.ts";

/** Thrown to main where the other program is this very executable under another name: no need to load it again. */
export class Become extends Error {
  readonly program: string;
  readonly args: Buffer[];
  constructor(program: string, args: Buffer[]) {
    super(`become ${program}`);
    this.program = program;
    this.args = args;
  }
}

function areTexts(values: readonly (string | Uint8Array | undefined)[]): boolean {
  for (const value of values) if (value !== undefined && !isText(value)) return false;
  return true;
}

/** Changes to the environment; undefined removes a variable. */
export type Changes = Readonly<Record<string, string | Uint8Array | undefined>>;

/**
 * Runs another program in place of this one (execve(2)); does not return. Let what it throws pass, unless it is a
 * system error: ENOENT, EACCES, ... if the program can not be executed.
 *
 * @param path the program, relative to the current directory or absolute
 * @param args its arguments, without argument 0
 */
export function exec(path: string, args: readonly Buffer[], changes: Changes = {}): never {
  accessSync(path, constants.X_OK);
  if (isThisExecutable(path) && areTexts(args) && areTexts(Object.values(changes))) {
    for (const [name, value] of Object.entries(changes)) setVariable(name, value);
    throw new Become(path.slice(path.lastIndexOf("/") + 1), [...args]);
  }
  restoreSignals();
  try {
    replaceBy(path, [Buffer.from(path), ...args], changes);
  } finally {
    ignoreSignals("SIGPIPE");
  }
}

/**
 * Runs another program in place of this one even where it is this very executable, with every descriptor that
 * duplicateTo() made; `words` are its arguments from 0 on. Returns only by throwing.
 */
export function replaceBy(path: string, words: readonly Buffer[], changes: Changes = {}): never {
  const variables = Object.entries({ ...environmentBytes(), ...changes });
  executeWith(
    path,
    words,
    variables.flatMap(([name, value]) => (value === undefined ? [] : assignment(name, value))),
  );
}

const assignment = (name: string, value: string | Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${name}=`), Buffer.from(value as Uint8Array)]);

/** Where programs are looked for without $PATH. */
const standardPath = "/bin:/usr/bin";

/**
 * Like exec(), but a name without slash is looked for in $PATH, and an executable file in no format the kernel knows is
 * a script for /bin/sh (execvp(3)).
 */
export function execLikeShell(name: string, args: readonly Buffer[], changes: Changes = {}): never {
  const folders = name.includes("/") ? [""] : (process.env.PATH ?? standardPath).split(":");
  let trouble: unknown;
  for (const folder of folders) {
    const path = folder === "" ? name : `${folder}/${name}`;
    try {
      execOrScript(path, args, changes);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      // A file that is there says more than all the places where none is.
      if (trouble === undefined || failure.code === "EACCES") trouble = failure;
    }
  }
  throw trouble;
}

function execOrScript(path: string, args: readonly Buffer[], changes: Changes): never {
  try {
    exec(path, args, changes);
  } catch (failure) {
    if (!isSystemError(failure, "ENOEXEC")) throw failure;
    exec("/bin/sh", [Buffer.from(path), ...args], changes);
  }
}

function setVariable(name: string, value: string | Uint8Array | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = typeof value === "string" ? value : Buffer.from(value).toString();
}

/** The launchers of the tree that we run from, where we are not compiled: each of them runs this very code. */
const source = "/src/core/sys";
const launchers = import.meta.dirname.endsWith(source)
  ? `${import.meta.dirname.slice(0, -source.length)}/bin`
  : undefined;

/** How this program is started once more, with other arguments. */
export function thisProgram(
  program: string,
  args: readonly Uint8Array[],
): { command: (string | Uint8Array)[]; name?: string } {
  if (launchers === undefined) return { command: [process.execPath, ...args], name: program };
  const source = [...process.execArgv, process.argv[1] ?? ""];
  return { command: [process.execPath, ...source, program, ...args] };
}

/** Whether a program is this very executable under another name, and would have no other ids. */
export function isThisExecutable(path: string): boolean {
  const there = statSync(path);
  const changesIds = (there.mode & 0o6000) !== 0;
  if (changesIds) return false;
  if (launchers !== undefined)
    return realpathSync(path) === `${launchers}/${path.slice(path.lastIndexOf("/") + 1)}`;
  const here = statSync(process.execPath, { throwIfNoEntry: false });
  return here?.ino === there.ino && here.dev === there.dev;
}

/** Whether the program that a name leads to by $PATH is this very executable; false where there is none. */
export function isThisExecutableInPath(name: string): boolean {
  const path = Bun.which(name, { PATH: process.env.PATH ?? standardPath });
  try {
    return path !== null && isThisExecutable(path);
  } catch (failure) {
    if (isSystemError(failure)) return false;
    throw failure;
  }
}
