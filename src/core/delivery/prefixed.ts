/** Running a program on the message with lines in front of it: what preline(1) and qsmhook(1) have in common. */
import { closeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { readSome, Writer } from "../sys/fd.ts";
import { pipe } from "../sys/libc.ts";
import { type End, startLikeShell } from "../sys/spawn.ts";

const chunk = 65536;

/** A step that failed: starting the program, reading the message on descriptor 0, or handing it over. */
export class PrefixedTrouble extends Error {
  readonly step: "start" | "read" | "write";
  /** The name of the error, as ENOENT. */
  readonly code: string;
  constructor(step: PrefixedTrouble["step"], code: string) {
    super(`${step}: ${code}`);
    this.step = step;
    this.code = code;
  }
}

/**
 * Runs a program, looked for in $PATH, whose input is `lines` and then the message on descriptor 0. A program that does
 * not read the last piece has done nothing wrong.
 * @throws PrefixedTrouble
 */
export async function runPrefixed(command: readonly Buffer[], lines: readonly Buffer[]): Promise<End> {
  const [read, write] = pipe();
  const child = trying("start", () => startLikeShell({ command, descriptors: [read, 1, 2] }));
  closeSync(read);
  feed(write, lines);
  closeSync(write);
  return await child.ended;
}

function feed(output: number, lines: readonly Buffer[]): void {
  const writer = new Writer(output);
  const buffer = Buffer.allocUnsafe(chunk);
  const next = (): number => trying("read", () => readSome(0, buffer));
  const pass = (piece: Uint8Array): void => trying("write", () => writer.write(piece));
  for (const line of lines) pass(line);
  for (let length = next(); length > 0; length = next()) pass(buffer.subarray(0, length));
  try {
    writer.flush();
  } catch (failure) {
    if (!isSystemError(failure, "EPIPE")) throw failure;
  }
}

function trying<Result>(step: PrefixedTrouble["step"], work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    throw isSystemError(failure) ? new PrefixedTrouble(step, failure.code) : failure;
  }
}
