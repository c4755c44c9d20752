/** preline(1): gives a program the message with the From_, Return-Path and Delivered-To lines in front. */
import { closeSync } from "node:fs";
import { Options } from "../core/bytes/options.ts";
import { Exit, isSystemError, permanent, temporary } from "../core/exit.ts";
import { environment } from "../core/sys/arguments.ts";
import { errorText, mayPass } from "../core/sys/errors.ts";
import { readSome, Writer } from "../core/sys/fd.ts";
import { pipe } from "../core/sys/libc.ts";
import { type Child, startLikeShell } from "../core/sys/spawn.ts";

const program = "preline";
const usage = `${program}: usage: ${program} cmd [ arg ... ]\n`;
const chunk = 65536;

/** The lines in their order: the variable, and the letter that leaves it out; the capital letter takes it back. */
const lines = [
  { variable: "UFLINE", letter: "f" },
  { variable: "RPLINE", letter: "r" },
  { variable: "DTLINE", letter: "d" },
] as const;

export async function main(args: Buffer[]): Promise<number> {
  const { wanted, command } = commandLine(args);
  const [read, write] = pipe();
  const child = execute(command, read);
  closeSync(read);
  feed(write, wanted);
  closeSync(write);
  const end = await child.ended;
  if ("signal" in end) throw temporary(`${program}: fatal: child crashed\n`);
  return end.code;
}

/** The lines that are asked for, and the command. All variables have to be set, asked for or not. */
function commandLine(args: Buffer[]): { wanted: Buffer[]; command: Buffer[] } {
  const values = lines.map(({ variable }) => {
    const value = environment(variable);
    if (value === undefined) throw permanent(usage);
    return value;
  });
  const options = new Options(args, { program, letters: "frdFRD", usage });
  const given = [...options].map(({ letter }) => letter);
  if (options.rest.length === 0) throw permanent(usage);
  const wanted = values.filter((_, index) => {
    const letter = lines[index]?.letter ?? "";
    return given.lastIndexOf(letter) <= given.lastIndexOf(letter.toUpperCase());
  });
  return { wanted, command: options.rest };
}

function execute(command: readonly Buffer[], input: number): Child {
  try {
    return startLikeShell({ command, descriptors: [input, 1, 2] });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const name = command[0]?.toString("latin1");
    throw new Exit(
      mayPass(failure.code) ? 111 : 100,
      `${program}: fatal: unable to run ${name}: ${errorText(failure.code)}\n`,
    );
  }
}

/** Writes the lines and the message. That the program did not read the last piece is its own affair. */
function feed(output: number, wanted: readonly Buffer[]): void {
  const writer = new Writer(output);
  const buffer = Buffer.allocUnsafe(chunk);
  try {
    for (const line of wanted) writer.write(line);
    for (let length = readSome(0, buffer); length > 0; length = readSome(0, buffer))
      writer.write(buffer.subarray(0, length));
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: unable to copy input: ${errorText(failure.code)}\n`);
  }
  try {
    writer.flush();
  } catch (failure) {
    if (!isSystemError(failure, "EPIPE")) throw failure;
  }
}
