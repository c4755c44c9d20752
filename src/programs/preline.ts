/** preline(1): gives a program the message with the From_, Return-Path and Delivered-To lines in front. */
import { Options } from "../core/bytes/options.ts";
import { PrefixedTrouble, runPrefixed } from "../core/delivery/prefixed.ts";
import { Exit, permanent, temporary } from "../core/exit.ts";
import { environment } from "../core/sys/arguments.ts";
import { errorText, mayPass } from "../core/sys/errors.ts";

const program = "preline";
const usage = `${program}: usage: ${program} cmd [ arg ... ]\n`;

/** The lines in their order: the variable, and the letter that leaves it out; the capital letter takes it back. */
const lines = [
  { variable: "UFLINE", letter: "f" },
  { variable: "RPLINE", letter: "r" },
  { variable: "DTLINE", letter: "d" },
] as const;

export async function main(args: Buffer[]): Promise<number> {
  const { wanted, command } = commandLine(args);
  try {
    const end = await runPrefixed(command, wanted);
    if ("signal" in end) throw temporary(`${program}: fatal: child crashed\n`);
    return end.code;
  } catch (failure) {
    if (!(failure instanceof PrefixedTrouble)) throw failure;
    const { step, code } = failure;
    const what = step === "start" ? `run ${command[0]?.toString("latin1")}` : "copy input";
    throw new Exit(
      step !== "start" || mayPass(code) ? 111 : 100,
      `${program}: fatal: unable to ${what}: ${errorText(code)}\n`,
    );
  }
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
