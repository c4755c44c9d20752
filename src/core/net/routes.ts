/** Artificial routes: control/smtproutes and qmtproutes as qmail-remote(8) describes them. */
import { type IpAddress, parseLiteral } from "../bytes/ip.ts";
import { equalFold, leadingNumber } from "../bytes/text.ts";
import { readControl, significantLines } from "../control/control.ts";

/** Where mail for a host goes instead. */
export interface Route {
  /** Name or address of the relay. */
  host: Buffer;
  port?: number;
}

const colon = 58;
const dot = 46;

/** The lines of a file, for as long as its bytes are kept. */
const known = new WeakMap<Buffer, readonly Buffer[]>();

function linesOf(file: string): readonly Buffer[] {
  const content = readControl(file);
  if (content === undefined) return [];
  const lines = known.get(content) ?? significantLines(content);
  known.set(content, lines);
  return lines;
}

/** The route for a host; undefined if mail for it goes where DNS says. Throws a system error if the file can not be read. */
export function routeFor(host: Buffer, file: "smtproutes" | "qmtproutes"): Route | undefined {
  const lines = linesOf(file);
  if (lines.length === 0) return undefined;
  for (let start = 0; start <= host.length; start++) {
    if (start > 0 && start < host.length && host[start] !== dot) continue;
    const relay = relayOf(lines, host.subarray(start));
    if (relay !== undefined) return relay.length === 0 ? undefined : routeOf(relay);
  }
  return undefined;
}

/** What stands behind `key:`, in the last line that has that key. */
function relayOf(lines: readonly Buffer[], key: Buffer): Buffer | undefined {
  const line = lines.findLast((candidate) => {
    const end = candidate.indexOf(colon);
    return end >= 0 && equalFold(candidate.subarray(0, end), key);
  });
  return line?.subarray(key.length + 1);
}

function routeOf(relay: Buffer): Route {
  const end = ipv6Length(relay) ?? relay.indexOf(colon);
  if (end < 0 || end >= relay.length) return { host: relay };
  return { host: relay.subarray(0, end), port: leadingNumber(relay.subarray(end + 1)) ?? 0 };
}

/** The length of an IPv6 address in brackets that the relay begins with: its colons lead to no port. */
function ipv6Length(relay: Buffer): number | undefined {
  const text = relay.toString("latin1");
  const end = text.indexOf("]") + 1;
  const address: IpAddress | undefined = parseLiteral(text.slice(0, end));
  return address?.length === 16 ? end : undefined;
}
