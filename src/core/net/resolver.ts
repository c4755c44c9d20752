/**
 * Asking the DNS, as a stub resolver does: the caches of resolv.conf(5), or those that $DNSCACHEIP names. An own
 * client rather than the runtime's, because mail needs to know apart what that one reports alike: no such name, no
 * such record, an alias that leads nowhere, and a cache that can not tell.
 */
import { readFileSync } from "node:fs";
import { type IpAddress, parseIp, parseLiteral } from "../bytes/ip.ts";
import { isSystemError } from "../exit.ts";
import { environment } from "../sys/arguments.ts";
import type { Connect, Line } from "../sys/line.ts";
import { Socket } from "../sys/socket.ts";
import {
  BadDnsMessage,
  type DnsAnswer,
  type DnsRecord,
  decodeAnswer,
  encodeQuestion,
  type Question,
  type RecordType,
  recordType,
  responseCode,
} from "../wire/dns.ts";

/** A cache to ask. */
export interface Cache {
  address: IpAddress;
  port: number;
}

/**
 * What is known about a name. `records`: those of the wanted type; none means that an alias led nowhere. `absent`: no
 * such name, or (`exists`) nothing of that type. `unknown`: not now; ask again later.
 */
export type Finding =
  | { kind: "records"; records: DnsRecord[] }
  | { kind: "absent"; exists: boolean }
  | { kind: "unknown" };

const dnsPort = 53;
const caches = 3;
const largestDatagram = 4096;

/** How long and how often to ask. */
export interface Settings {
  caches: readonly Cache[];
  seconds: number;
  attempts: number;
}

export class Resolver {
  readonly #settings: Settings;
  readonly #connect: Connect;

  /** `connect`: how to reach the caches. */
  constructor(settings: Settings = systemSettings(), connect: Connect = Socket.connect) {
    this.#settings = settings;
    this.#connect = connect;
  }

  async lookUp(name: string, type: RecordType): Promise<Finding> {
    const question = { id: crypto.getRandomValues(new Uint16Array(1))[0] ?? 0, name, type };
    const encoded = encodeQuestion(question);
    if (encoded === undefined) return { kind: "absent", exists: false };
    for (let attempt = 0; attempt < this.#settings.attempts; attempt++) {
      const finding = await this.#askEach(question, encoded);
      if (finding !== undefined) return finding;
    }
    return { kind: "unknown" };
  }

  /** Asks one cache after another. Undefined: none answered, and it is worth trying again. */
  async #askEach(question: Question, encoded: Buffer): Promise<Finding | undefined> {
    let refused = 0;
    for (const cache of this.#settings.caches) {
      const answer = await ask(this.#connect, cache, question, encoded, this.#settings.seconds);
      const finding = answer && findingOf(answer, question);
      if (finding !== undefined) return finding;
      if (answer !== undefined) refused++;
    }
    return refused === this.#settings.caches.length ? { kind: "unknown" } : undefined;
  }
}

/** The name under which the DNS tells the host of an address (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reverseName(address: IpAddress): string {
  return `${reversed(address)}.${address.length === 4 ? "in-addr" : "ip6"}.arpa`;
}

/** An address as the DNS counts it down: the numbers of IPv4, the hexadecimal digits of IPv6, the last one first. */
export function reversed(address: IpAddress): string {
  const parts = address.length === 4 ? Array.from(address) : Buffer.from(address).toString("hex").split("");
  return parts.reverse().join(".");
}

/** Undefined: this cache can not tell. */
function findingOf({ code, records }: DnsAnswer, { type }: Question): Finding | undefined {
  if (code === responseCode.nameError) return { kind: "absent", exists: false };
  if (code !== responseCode.noError) return undefined;
  if (records.length === 0) return { kind: "absent", exists: true };
  return { kind: "records", records: records.filter((record) => record.type === recordType[type]) };
}

/** Undefined: no answer, or none that can be read. */
async function ask(
  connect: Connect,
  { address, port }: Cache,
  question: Question,
  encoded: Buffer,
  seconds: number,
): Promise<DnsAnswer | undefined> {
  try {
    const datagrams = await connect("datagram", address, port, seconds);
    const answer = await askByDatagram(datagrams, question, encoded, seconds);
    if (!answer.truncated) return answer;
    return await askByStream(await connect("stream", address, port, seconds), question, encoded, seconds);
  } catch (failure) {
    if (isSystemError(failure) || failure instanceof BadDnsMessage) return undefined;
    throw failure;
  }
}

/** Closes the socket. */
async function askByDatagram(
  socket: Line,
  question: Question,
  encoded: Buffer,
  seconds: number,
): Promise<DnsAnswer> {
  try {
    await socket.send(encoded, seconds);
    const buffer = Buffer.allocUnsafe(largestDatagram);
    for (const deadline = performance.now() + seconds * 1000; ; ) {
      const length = await socket.receive(buffer, Math.max(0, deadline - performance.now()) / 1000);
      const answer = decodeAnswer(buffer.subarray(0, length), question);
      if (answer !== undefined) return answer;
    }
  } finally {
    socket.close();
  }
}

/** RFC 1035 section 4.2.2: each message has its length in front. Closes the socket. */
async function askByStream(
  socket: Line,
  question: Question,
  encoded: Buffer,
  seconds: number,
): Promise<DnsAnswer> {
  try {
    await socket.send(
      Buffer.concat([Buffer.of(encoded.length >> 8, encoded.length & 255), encoded]),
      seconds,
    );
    const size = (await receiveExactly(socket, 2, seconds)).readUInt16BE(0);
    const message = await receiveExactly(socket, size, seconds);
    const answer = decodeAnswer(message, question);
    if (answer === undefined || answer.truncated) throw new BadDnsMessage("not an answer to the question");
    return answer;
  } finally {
    socket.close();
  }
}

async function receiveExactly(socket: Line, size: number, seconds: number): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  for (let got = 0; got < size; ) {
    const length = await socket.receive(bytes.subarray(got), seconds);
    if (length === 0) throw new BadDnsMessage("message ends too early");
    got += length;
  }
  return bytes;
}

/** $DNSCACHEIP: addresses with blanks or commas between them, each with `:port` if it is not 53. */
export function cachesFrom(text: string): Cache[] {
  return text.split(/[\s,]+/).flatMap((word) => {
    const [, host = word, port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(word) ?? [];
    const address = parseIp(host) ?? parseLiteral(host);
    return address === undefined ? [] : [{ address, port: port === undefined ? dnsPort : Number(port) }];
  });
}

/** What resolv.conf(5) says, as far as it matters here; without a cache it is this machine's. */
export function settingsFrom(text: string): Settings {
  const words = text.split("\n").map((line) => line.trim().split(/\s+/));
  const listed = words.filter(([key]) => key === "nameserver").flatMap(([, word = ""]) => cachesFrom(word));
  const options = words.filter(([key]) => key === "options").flat();
  const option = (name: string, standard: number, most: number) => {
    const digits = options.find((word) => word.startsWith(`${name}:`))?.slice(name.length + 1);
    return Math.min(Math.max(1, Number.parseInt(digits ?? "", 10) || standard), most);
  };
  return {
    caches: listed.length > 0 ? listed.slice(0, caches) : cachesFrom("127.0.0.1"),
    seconds: option("timeout", 5, 30),
    attempts: option("attempts", 2, 5),
  };
}

/** What this machine says, or the environment. */
export function systemSettings(): Settings {
  const settings = settingsFrom(readIfThere("/etc/resolv.conf"));
  const chosen = cachesFrom(environment("DNSCACHEIP")?.toString("latin1") ?? "");
  return chosen.length > 0 ? { ...settings, caches: chosen } : settings;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return "";
  }
}
