/**
 * Starting a program of ours as somebody else. It is started as root, and becomes the user as its first deed: between a
 * change of ids and the execution of a program, the runtime's spawn stands still together with its child, which whoever
 * the child already runs as could stop there for ever. What became so is closed to its user, as to everybody (ptrace(2)).
 *
 * No byte of a stranger's is looked at before. Words are handed over as one character a byte, so that no shell has to
 * rebuild those that are not UTF-8.
 */
import { statSync } from "node:fs";
import { temporary } from "../exit.ts";
import { idsAreReal, takeIds } from "./ids.ts";
import type { Start } from "./spawn.ts";

/** `UID:GID`, for a program of ours that runs as root. */
const told = "QMAILBECOME";

/** The largest id that the runtime lets a process take. */
const largest = 2 ** 31 - 1;

/** Whether a program is this very executable, and will take these ids by itself. */
export function becomesItself({ command: [program = ""], directory, ids, environment }: Start): boolean {
  if (!Object.values(environment ?? process.env).every(isText)) return false;
  if (ids === undefined || process.geteuid?.() !== 0 || ids.uid > largest || ids.gid > largest) return false;
  const named = program.toString();
  const path = named.startsWith("/") ? named : `${directory ?? "."}/${named}`;
  const [here, there] = [process.execPath, path].map((file) => statSync(file, { throwIfNoEntry: false }));
  return (
    here !== undefined && here.ino === there?.ino && here.dev === there.dev && (there.mode & 0o6000) === 0
  );
}

/** What the runtime can hand over unchanged. */
const isText = (value: string | Uint8Array | undefined): boolean =>
  value === undefined || (typeof value === "string" && !value.includes("\ufffd"));

/** Its words and its environment. */
export function tellIds({ command, environment, ids }: Start): Pick<Start, "command" | "environment"> {
  return {
    command: command.map((word) => Buffer.from(word as string).toString("latin1")),
    environment: { ...(environment ?? process.env), [told]: `${ids?.uid}:${ids?.gid}` },
  };
}

/** At the start of a program: becomes what it was told. True: its words are one character a byte. */
export function becomeAsTold(): boolean {
  const ids = process.env[told];
  delete process.env[told];
  if (ids === undefined || process.geteuid?.() !== 0 || !idsAreReal()) return false;
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(ids) ?? [];
  if (uid === undefined || gid === undefined) throw temporary(`fatal: ${told} is not UID:GID\n`);
  takeIds(Number(uid), Number(gid));
  return true;
}
