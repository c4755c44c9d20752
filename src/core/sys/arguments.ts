/**
 * Arguments and environment as bytes. The runtime decodes both as UTF-8; an address need not be UTF-8, so what did
 * not decode is read again from /proc.
 */
import { readFileSync } from "node:fs";

const replacement = "\ufffd";

/** The arguments after the program's own name (and, from source, after the script's). */
export function argumentBytes(): Buffer[] {
  const decoded = process.argv.slice(2);
  const bytes: Buffer[] = [];
  let exact = true;
  for (const argument of decoded) {
    bytes.push(Buffer.from(argument));
    exact &&= !argument.includes(replacement);
  }
  if (exact) return bytes;
  const raw = splitNul(readFileSync("/proc/self/cmdline"));
  return raw.slice(raw.length - decoded.length);
}

/** The value of an environment variable, or undefined. */
export function environment(name: string): Buffer | undefined {
  const decoded = process.env[name];
  if (decoded === undefined) return undefined;
  if (!decoded.includes(replacement)) return Buffer.from(decoded);
  const prefix = Buffer.from(`${name}=`);
  const entry = splitNul(readFileSync("/proc/self/environ")).find((item) =>
    item.subarray(0, prefix.length).equals(prefix),
  );
  return entry?.subarray(prefix.length) ?? Buffer.from(decoded);
}

/** All variables; those that are not UTF-8 as bytes. */
export function environmentBytes(): Record<string, string | Uint8Array> {
  const variables: Record<string, string | Uint8Array> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined) continue;
    variables[name] = value.includes(replacement) ? (environment(name) ?? value) : value;
  }
  return variables;
}

function splitNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    parts.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    start = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}
