/** qsmhook(1): runs a delivery program that was written for sendmail, with sendmail's flags and macros. */
import { Options } from "../core/bytes/options.ts";
import { bytes, lowerCase } from "../core/bytes/text.ts";
import { PrefixedTrouble, runPrefixed } from "../core/delivery/prefixed.ts";
import { permanent, temporary } from "../core/exit.ts";
import { environment } from "../core/sys/arguments.ts";
import { mayPass } from "../core/sys/errors.ts";

const program = "qsmhook";
const usage = `${program}: fatal: incorrect usage\n`;
const percent = 37;

/** Sendmail's flags; those that say nothing here are taken and passed over. */
const letters = "DFlMmnPsx:";

/** The variables of qmail-command(8) that have to be there. */
interface Delivery {
  UFLINE: Buffer;
  RPLINE: Buffer;
  DTLINE: Buffer;
  LOCAL: Buffer;
  HOST: Buffer;
  SENDER: Buffer;
}

export async function main(args: Buffer[]): Promise<number> {
  const delivery = readDelivery();
  const options = new Options(args, { program, letters });
  const given = new Set<string>();
  let { LOCAL: user } = delivery;
  for (const { letter, argument } of options) {
    given.add(letter);
    if (letter === "x") user = withoutPrefix(user, argument);
  }
  if (options.rest.length === 0) throw permanent(usage);
  const { UFLINE, RPLINE, DTLINE, HOST, SENDER } = delivery;
  const macros = new Map([
    ["%", bytes("%")],
    ["g", SENDER],
    ["h", HOST],
    ["u", user],
  ]);
  const lines = [
    ...(given.has("n") ? [] : [UFLINE]),
    ...(given.has("P") ? [RPLINE] : []),
    ...(given.has("l") ? [DTLINE] : []),
  ];
  return await hook(
    options.rest.map((word) => expanded(word, macros)),
    lines,
  );
}

function readDelivery(): Delivery {
  const value = (name: keyof Delivery): Buffer => {
    const found = environment(name);
    if (found === undefined) throw permanent(usage);
    return found;
  };
  return {
    UFLINE: value("UFLINE"),
    RPLINE: value("RPLINE"),
    DTLINE: value("DTLINE"),
    LOCAL: value("LOCAL"),
    HOST: value("HOST"),
    SENDER: value("SENDER"),
  };
}

function withoutPrefix(name: Buffer, prefix: Buffer): Buffer {
  const start = name.subarray(0, prefix.length);
  return lowerCase(start).equals(lowerCase(prefix)) ? name.subarray(prefix.length) : name;
}

/** A word with its macros replaced; one that is not known, and a percent sign at the end, are left out. */
function expanded(word: Buffer, macros: ReadonlyMap<string, Buffer>): Buffer {
  const pieces: Buffer[] = [];
  let start = 0;
  for (let found = word.indexOf(percent); found >= 0; found = word.indexOf(percent, start)) {
    pieces.push(word.subarray(start, found));
    const value = macros.get(word.toString("latin1", found + 1, found + 2));
    if (value !== undefined) pieces.push(value);
    start = found + 2;
  }
  return Buffer.concat([...pieces, word.subarray(start)]);
}

async function hook(command: readonly Buffer[], lines: readonly Buffer[]): Promise<number> {
  try {
    const end = await runPrefixed(command, lines);
    if ("code" in end) return end.code;
  } catch (failure) {
    if (!(failure instanceof PrefixedTrouble)) throw failure;
    if (failure.step === "read") throw temporary(`${program}: fatal: unable to read message\n`);
    if (failure.step === "start" && !mayPass(failure.code))
      throw permanent(`${program}: fatal: command not found\n`);
  }
  throw temporary(`${program}: fatal: temporary problem\n`);
}
