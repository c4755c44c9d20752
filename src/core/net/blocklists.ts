/**
 * Lists of client addresses that are kept in the DNS (RFC 5782), and the words for a client that is listed. The
 * settings and their meaning are those of rblsmtpd.
 */
import { type IpAddress, parseIp } from "../bytes/ip.ts";
import type { Reply } from "../wire/smtp-server-replies.ts";
import type { NameService } from "./exchangers.ts";
import { type Finding, reversed } from "./resolver.ts";

/** A line of control/dnsbl. */
export interface BlockList {
  zone: string;
  /** What is said to a client that is listed: come back later, never, or (`allow`) nothing: it is welcome. */
  kind: "later" | "never" | "allow";
  /** Our words instead of the list's; `%IP%` stands for the address. */
  text: string | undefined;
}

const later = 451;
const never = 553;

/** No client needs more words, in bytes. */
const longest = 200;

/** Reads `zone`, `-zone` (never), `+zone` (allow), each perhaps with `:` and words. */
export function blockList(line: string): BlockList {
  const [, sign = "", zone = "", text] = /^([-+]?)\s*([^:\s]*)\s*(?::\s*(.*))?/s.exec(line) ?? [];
  const kind = sign === "-" ? "never" : sign === "+" ? "allow" : "later";
  return { zone: zone.replace(/\.$/, ""), kind, text: text === "" ? undefined : text };
}

/** What $RBLSMTPD says: undefined, ask the lists; empty, the client is welcome; words for it, after `-` for good. */
export function saidOf(variable: Uint8Array | undefined): Reply | "welcome" | undefined {
  if (variable === undefined) return undefined;
  const words = Buffer.from(variable).toString("latin1");
  if (words === "") return "welcome";
  return words.startsWith("-") ? refusal(never, words.slice(1)) : refusal(later, words);
}

/**
 * The refusal for a client, or undefined. All lists are asked at once; the first in order that has the address
 * decides. A list that can not be asked keeps nobody out, and what is no address is on no list.
 */
export async function refusalFor(
  names: NameService,
  lists: readonly BlockList[],
  ip: string,
): Promise<Reply | undefined> {
  const address = parseIp(ip);
  if (address === undefined) return undefined;
  const asked = lists.map(async (list) => isListed(await names.lookUp(nameIn(list, address), "A")));
  const list = lists[(await Promise.all(asked)).indexOf(true)];
  if (list === undefined || list.kind === "allow") return undefined;
  const text = list.text?.replaceAll("%IP%", ip) ?? (await listText(names, nameIn(list, address)));
  return refusal(list.kind === "never" ? never : later, text ?? `${ip} is listed in ${list.zone}`);
}

const nameIn = ({ zone }: BlockList, address: IpAddress): string => `${reversed(address)}.${zone}`;

/**
 * Any address in 127/8 (RFC 5782, 2.1). But not in 127.255.255/24, where lists say that they do not answer this
 * questioner; and nothing else, as it comes from zones that were given up and sold.
 */
function isListed(finding: Finding): boolean {
  if (finding.kind !== "records") return false;
  return finding.records.some(({ data: [a, b, c] }) => a === 127 && !(b === 255 && c === 255));
}

async function listText(names: NameService, name: string): Promise<string | undefined> {
  const finding = await names.lookUp(name, "TXT");
  const [record] = finding.kind === "records" ? finding.records : [];
  return record === undefined ? undefined : charactersOf(Buffer.from(record.data)).toString("latin1");
}

/** The strings of a TXT record, each with its length in front, as one (RFC 1035, 3.3.14). */
function charactersOf(data: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const end = at + 1 + (data[at] ?? 0);
    parts.push(data.subarray(at + 1, end));
    at = end;
  }
  return Buffer.concat(parts);
}

/** In a reply there are printable characters only. */
function refusal(code: number, words: string): Reply {
  const text = words.replace(/[^ -~]/g, "?").slice(0, longest);
  return { text: `${code} ${text}`, code: code === later ? "4.7.1" : "5.7.1" };
}
