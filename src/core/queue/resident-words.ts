/**
 * What a server that stays and a `qmail-queue --resident` say to each other: QMQP's own shape. First the queue program
 * says who it is, since another qmail's would only listen. Then each request is a netstring of netstrings, message,
 * sender and recipients, and each answer one that begins with K, Z or D, in the order of the requests.
 */
import { BadNetstring, netstringEnd, netstringHead, netstringsIn } from "../bytes/netstring.ts";
import type { Verdict } from "./verdict.ts";

/** The first words of the queue program, with the version of all this. */
export const greeting = "qmail-queue resident 1";

/** A request is no longer than this, in bytes. */
export const requestLimit = 4 << 20;

/** An answer is no longer than this. */
export const answerLimit = 1000;

export interface Request {
  message: readonly Buffer[];
  sender: Buffer;
  recipients: readonly Buffer[];
}

/** The pieces of a request. */
export function encodeRequest(request: Request): Buffer[] {
  return wrap(contentOf(request));
}

/** Whether the queue program takes requests of that length. */
export const isWithinLimit = (request: Request): boolean => lengthOf(contentOf(request)) <= requestLimit;

const contentOf = ({ message, sender, recipients }: Request): Buffer[] =>
  [message, [sender], ...recipients.map((recipient) => [recipient])].flatMap(wrap);

const lengthOf = (pieces: readonly Buffer[]): number => pieces.reduce((sum, piece) => sum + piece.length, 0);

function wrap(pieces: readonly Buffer[]): Buffer[] {
  return [netstringHead(lengthOf(pieces)), ...pieces, netstringEnd];
}

/** Throws BadNetstring. */
export function decodeRequest(content: Buffer): Request {
  const [message, sender, ...recipients] = netstringsIn(content);
  if (message === undefined || sender === undefined) throw new BadNetstring();
  return { message: [message], sender, recipients };
}

export function encodeWords(text: string): Buffer {
  const content = Buffer.from(text, "latin1");
  return Buffer.concat([netstringHead(content.length), content, netstringEnd]);
}

/** The verdict in an answer of the queue program with this number; undefined: it makes no sense. */
export function verdictIn(answer: Buffer, pid: number): Verdict | undefined {
  const report = answer.toString("latin1");
  if (report.startsWith("K")) return { accepted: true, pid };
  return /^[ZD]/.test(report) ? { accepted: false, report, pid } : undefined;
}
