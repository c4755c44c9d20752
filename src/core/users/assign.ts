/** The lines of users/assign (qmail-users(5)) and the records of users/cdb made from them. */
import { lowerCase } from "../bytes/text.ts";

const colon = 58;
const plus = 43;
const dot = 46;

/** What a line of users/assign says. */
export type AssignLine =
  | { kind: "end" }
  | { kind: "bad" }
  | { kind: "assignment"; key: Buffer; data: Buffer; wildcard: number | undefined };

/** Key of the record that lists the last bytes of all wildcards. */
export const wildcardsKey = Buffer.alloc(0);

/** Key of an address that is assigned alone: `!joe\0`. Case does not matter. */
export const exactKey = (local: Uint8Array): Buffer =>
  lowerCase(Buffer.concat([Buffer.from("!"), local, Buffer.of(0)]));

const fieldCount = 6;

/** Reads one line, with its line feed if it has one. */
export function parseAssignLine(line: Buffer): AssignLine {
  if (line[0] === dot) return { kind: "end" };
  const end = line.indexOf(colon);
  if (line[line.length - 1] !== 10 || line.includes(0) || end <= 0) return { kind: "bad" };
  const data = dataOf(line.subarray(end + 1));
  if (data === undefined) return { kind: "bad" };
  const address = line.subarray(1, end);
  if (line[0] !== plus) return { kind: "assignment", key: exactKey(address), data, wildcard: undefined };
  const key = lowerCase(Buffer.concat([Buffer.from("!"), address]));
  // The last byte is recorded as it is written: after an upper-case letter the wildcard is never found.
  return { kind: "assignment", key, data, wildcard: address[address.length - 1] };
}

/** `user:uid:gid:home:dash:ext:` with a NUL for each colon but the last; what follows the last is dropped. */
function dataOf(fields: Buffer): Buffer | undefined {
  let position = -1;
  for (let count = 0; count < fieldCount; count++) {
    position = fields.indexOf(colon, position + 1);
    if (position < 0) return undefined;
  }
  const data = Buffer.from(fields.subarray(0, position));
  for (let index = data.indexOf(colon); index >= 0; index = data.indexOf(colon, index)) data[index] = 0;
  return data;
}
