/** Becoming another program: same process, same descriptors, new code. */
import { accessSync, constants, statSync } from "node:fs";
import { environmentBytes } from "./arguments.ts";
import { isText, representable } from "./spawn.ts";

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
  const changed = Object.values(changes).filter((value) => value !== undefined);
  if (isThisExecutable(path) && [...args, ...changed].every(isText)) {
    for (const [name, value] of Object.entries(changes)) setVariable(name, value);
    throw new Become(path.slice(path.lastIndexOf("/") + 1), [...args]);
  }
  const { command, environment } = representable({
    command: [path, ...args],
    environment: { ...environmentBytes(), ...changes },
  });
  process.execve?.(command[0] ?? path, command, environment as NodeJS.ProcessEnv);
  throw new Error("execve(2) is not there");
}

function setVariable(name: string, value: string | Uint8Array | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = typeof value === "string" ? value : Buffer.from(value).toString();
}

/** Whether a program is this very executable under another name, and would have no other ids. */
export function isThisExecutable(path: string): boolean {
  const there = statSync(path);
  const here = statSync(process.execPath, { throwIfNoEntry: false });
  const changesIds = (there.mode & 0o6000) !== 0;
  return !changesIds && here?.ino === there.ino && here.dev === there.dev;
}
