/** From how a delivery program ended, and what it said, to the report for qmail-send: K, Z or D and a text. */
import { bytes } from "../bytes/text.ts";
import type { End } from "../sys/spawn.ts";
import { lspawnCode } from "./codes.ts";

/** Codes whose report does not depend on what was said. */
const localReports: ReadonlyMap<number, string> = new Map([
  [lspawnCode.cdb, "ZTrouble reading users/cdb in qmail-lspawn.\n"],
  [lspawnCode.memory, "ZOut of memory in qmail-lspawn.\n"],
  [lspawnCode.system, "ZTemporary failure in qmail-lspawn.\n"],
  [lspawnCode.noAlias, "ZUnable to find alias user!\n"],
  [lspawnCode.root, "ZNot allowed to perform deliveries as root.\n"],
  [lspawnCode.usage, "ZInternal qmail-lspawn bug.\n"],
  [lspawnCode.nfs, "ZNFS failure in qmail-local.\n"],
  [lspawnCode.execHard, "DUnable to run qmail-local.\n"],
  [lspawnCode.execSoft, "ZUnable to run qmail-local.\n"],
  [lspawnCode.execGetpw, "ZUnable to run qmail-getpw.\n"],
]);

/** Exit codes that promise better luck later; every other code but 0 is permanent. */
const temporaryCodes: readonly number[] = [111, 71, 74, 75];

/** The report of a local delivery: qmail-local's, or that of a step before it. */
export function localReport(end: End, output: Buffer): Buffer {
  if ("signal" in end) return bytes("Zqmail-local crashed.\n");
  const fixed = localReports.get(end.code);
  if (fixed !== undefined) return bytes(fixed);
  const letter = end.code === 0 ? "K" : temporaryCodes.includes(end.code) ? "Z" : "D";
  return Buffer.concat([bytes(letter), stringAt(output, 0)]);
}

/** Results in the order of qmail-remote(8): the better, the greater. */
const results = { K: 1, Z: 0, D: -1 } as const;
type Letter = keyof typeof results;

const isResult = (letter: string): letter is Letter => letter in results;
const letterAt = (output: Buffer, position: number): string =>
  output.toString("latin1", position, position + 1);

/**
 * The report of a remote delivery. qmail-remote's output is a recipient report (`r`, `h` or `s` and a text) and a
 * message report (`K`, `Z` or `D` and a text), each with a NUL behind it; the worse of the two counts, and the message
 * report's text is told unless the recipient report alone decided.
 */
export function remoteReport(end: End, output: Buffer): Buffer {
  if ("signal" in end) return bytes("Zqmail-remote crashed.\n");
  if (end.code !== 0) return bytes(`${end.code === 111 ? "Z" : "D"}Unable to run qmail-remote.\n`);
  if (output.length === 0) return bytes("Zqmail-remote produced no output.\n");
  const message = messageResult(output);
  const recipient = letterAt(output, 0);
  const worse: Letter = recipient === "s" ? "Z" : recipient === "h" ? "D" : message;
  return Buffer.concat([bytes(worse), ...texts(output, results[message] <= results[worse])]);
}

/** The first report that is K, Z or D; D if none is. */
function messageResult(output: Buffer): Letter {
  for (let start = 0, end = output.indexOf(0); end >= 0; start = end + 1, end = output.indexOf(0, start)) {
    const letter = letterAt(output, start);
    if (isResult(letter)) return letter;
  }
  return "D";
}

/** The text of the first report and, where it counts, that of the report right behind it. */
function texts(output: Buffer, both: boolean): Buffer[] {
  const end = output.indexOf(0, 1);
  if (end < 0) return [];
  const first = output.subarray(1, end);
  return both && isResult(letterAt(output, end + 1)) ? [first, stringAt(output, end + 2)] : [first];
}

/** Up to the next NUL, or to the end. */
function stringAt(output: Buffer, position: number): Buffer {
  const end = output.indexOf(0, position);
  return output.subarray(position, end < 0 ? output.length : end);
}
