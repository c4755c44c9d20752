/** A scripted name server on 127.0.0.1, UDP and TCP, that knows the names of one zone. In the recorded cases its port is 53. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { parseIp } from "../../src/core/bytes/ip.ts";
import { isSystemError } from "../../src/core/exit.ts";
import type { Zone } from "./format.ts";

const type = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28 } as const;
const code = { ok: 0, serverFailure: 2, nameError: 3 } as const;
const standardPort = 53;
const address = "127.0.0.1";
const largestDatagram = 512;
const answerFlags = 0x8180;
const truncated = 0x0200;

/** A running name server. */
export interface NameServer {
  port: number;
  end: () => void;
}

/** Starts the server; port 0 is any that is free for both, which the first one found need not be. */
export async function startNameServer(zone: Zone, port = standardPort): Promise<NameServer> {
  for (;;) {
    try {
      return await startAt(zone, port);
    } catch (failure) {
      if (port !== 0 || !isSystemError(failure, "EADDRINUSE")) throw failure;
    }
  }
}

async function startAt(zone: Zone, port: number): Promise<NameServer> {
  const datagrams = createSocket("udp4", (query, from) => {
    const whole = answer(query, zone);
    datagrams.send(whole.length <= largestDatagram ? whole : cut(whole), from.port, from.address);
  });
  await new Promise<void>((resolve) => datagrams.bind(port, address, resolve));
  const streams = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (data: Buffer) => {
      const whole = answer(data.subarray(2), zone);
      socket.end(Buffer.concat([number(whole.length), whole]));
    });
  });
  const chosen = datagrams.address().port;
  const listening = Promise.withResolvers<void>();
  streams.on("error", listening.reject);
  streams.listen(chosen, address, listening.resolve);
  try {
    await listening.promise;
  } catch (failure) {
    datagrams.close();
    throw failure;
  }
  const end = () => {
    datagrams.close();
    streams.close();
  };
  return { port: chosen, end };
}

/** The header and the question, marked as truncated. */
function cut(whole: Buffer): Buffer {
  const short = Buffer.from(whole.subarray(0, questionEnd(whole)));
  short.writeUInt16BE(answerFlags | truncated, 2);
  short.writeUInt16BE(0, 6);
  return short;
}

function answer(query: Buffer, zone: Zone): Buffer {
  const end = questionEnd(query);
  const name = readName(query);
  const wanted = query.readUInt16BE(end - 4);
  const { records, result } = find(name.toLowerCase(), wanted, zone);
  const header = Buffer.alloc(12);
  for (const [index, value] of [query.readUInt16BE(0), answerFlags | result, 1, records.length].entries())
    header.writeUInt16BE(value, 2 * index);
  return Buffer.concat([header, query.subarray(12, end), ...records]);
}

/** The records for a name, and those an alias leads to. */
function find(name: string, wanted: number, zone: Zone): { records: Buffer[]; result: number } {
  if (zone.servfail?.includes(name) === true) return { records: [], result: code.serverFailure };
  const known = zone.zone[name];
  if (known === undefined) return { records: [], result: code.nameError };
  if (known.CNAME !== undefined && wanted !== type.CNAME) {
    const alias = record(name, type.CNAME, encodeName(known.CNAME));
    const target = find(known.CNAME, wanted, zone);
    if (target.result === code.serverFailure) return target;
    return { records: [alias, ...target.records], result: code.ok };
  }
  const pointers = [known.PTR ?? []].flat();
  const all: Record<number, Buffer[]> = {
    [type.A]: (known.A ?? []).map((text) => Buffer.from(text.split(".").map(Number))),
    [type.AAAA]: (known.AAAA ?? []).map((text) => Buffer.from(parseIp(text) ?? [])),
    [type.MX]: (known.MX ?? []).map(([preference, target]) =>
      Buffer.concat([number(preference), encodeName(target)]),
    ),
    [type.PTR]: pointers.map(encodeName),
    [type.TXT]: known.TXT === undefined ? [] : [strings(known.TXT)],
    [type.CNAME]: known.CNAME === undefined ? [] : [encodeName(known.CNAME)],
  };
  return { records: (all[wanted] ?? []).map((data) => record(name, wanted, data)), result: code.ok };
}

/** The data of a TXT record: strings of at most 255 bytes. */
function strings(text: string): Buffer {
  const parts = text.match(/.{1,255}/gs) ?? [""];
  return Buffer.concat(parts.flatMap((part) => [Buffer.of(part.length), Buffer.from(part, "latin1")]));
}

function record(name: string, kind: number, data: Buffer): Buffer {
  const [internet, timeToLive] = [1, 60];
  const parts = [number(kind), number(internet), number(0), number(timeToLive), number(data.length)];
  return Buffer.concat([encodeName(name), ...parts, data]);
}

function number(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

function encodeName(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")])),
    Buffer.of(0),
  ]);
}

function readName(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12, length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  return labels.join(".");
}

const questionEnd = (query: Buffer): number => query.indexOf(0, 12) + 5;
