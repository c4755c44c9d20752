/**
 * What qmail-lspawn and a warm qmail-local say to each other. A request: the length of its arguments in four bytes, a
 * number in two, a letter, then the arguments of qmail-local(8), a NUL behind each; the message comes with it as a
 * descriptor. An answer: the number, a letter, a byte, a text and a NUL: `X`, the exit code and what qmail-local would
 * have written; `A`, nothing was done: this is no delivery that can be made beside others; `P`, nothing was done: programs
 * are to be run, and a qmail-local of their own should do that.
 */
import { Exit, isSystemError } from "../exit.ts";

/** What a worker answers. */
export type Answer = Done | { kind: "alone" } | { kind: "programs" };

/** How a delivery ended, with the exit code and the words of qmail-local(8). */
export type Done = { kind: "exit"; code: number; text: Buffer };

/** `S`: beside others, if it is one that can be; `A`: by itself. */
export type Manner = "shared" | "alone";

/** A request that is longer goes to a qmail-local of its own, in bytes. */
export const requestLimit = 60_000;

/** How many requests a worker may have at once; where they do not all fit into its socket, another one is started. */
export const outstandingLimit = 64;

/** No honest answer is longer: reports are cut at 3000 bytes. */
const answerLimit = 65536;

export const requestHeader = 7;
const answerHeader = 4;
const [exit, alone, programs, shared] = [88, 65, 80, 83] as const;

/** The arguments as they travel. Undefined: they are too long, or could not be told apart. */
export function encodeArguments(args: readonly Buffer[]): Buffer | undefined {
  const size = args.reduce((sum, argument) => sum + argument.length + 1, 0);
  if (size > requestLimit || args.some((argument) => argument.includes(0))) return undefined;
  return Buffer.concat(args.flatMap((argument) => [argument, Buffer.of(0)]));
}

export function encodeRequest(number: number, manner: Manner, args: Buffer): Buffer {
  const header = Buffer.alloc(requestHeader);
  header.writeUInt32BE(args.length, 0);
  header.writeUInt16BE(number, 4);
  header[6] = manner === "shared" ? shared : alone;
  return Buffer.concat([header, args]);
}

/** A request that is complete; undefined: more has to come. */
export function decodeRequest(bytes: Buffer): { number: number; manner: Manner; args: Buffer[] } | undefined {
  if (bytes.length < requestHeader || bytes.length < requestHeader + bytes.readUInt32BE(0)) return undefined;
  const args: Buffer[] = [];
  for (let start = requestHeader; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    if (end < 0) break;
    args.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return { number: bytes.readUInt16BE(4), manner: bytes[6] === shared ? "shared" : "alone", args };
}

export function encodeAnswer(number: number, answer: Answer): Buffer {
  const header = Buffer.alloc(answerHeader);
  header.writeUInt16BE(number, 0);
  if (answer.kind !== "exit") {
    header[2] = answer.kind === "alone" ? alone : programs;
    return Buffer.concat([header, Buffer.of(0)]);
  }
  header[2] = exit;
  header[3] = answer.code;
  const end = answer.text.indexOf(0);
  const text = end < 0 ? answer.text : answer.text.subarray(0, end);
  return Buffer.concat([header, text.subarray(0, answerLimit - 8), Buffer.of(0)]);
}

/** Puts answers together from what arrives. A worker runs as a user, so it is not believed to make sense. */
export class AnswerReader {
  #bytes = Buffer.alloc(0);

  /** The answers that are complete. `nonsense`: this is no worker of ours any more. */
  add(piece: Uint8Array): { number: number; answer: Answer }[] | "nonsense" {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    const answers: { number: number; answer: Answer }[] = [];
    for (;;) {
      const letter = this.#bytes[2];
      if (letter !== undefined && letter !== exit && letter !== alone && letter !== programs)
        return "nonsense";
      const end = this.#bytes.indexOf(0, answerHeader);
      if (end < 0) return this.#bytes.length > answerLimit ? "nonsense" : answers;
      const text = this.#bytes.subarray(answerHeader, end);
      const answer: Answer =
        letter === exit
          ? { kind: "exit", code: this.#bytes[3] ?? 0, text }
          : { kind: letter === alone ? "alone" : "programs" };
      answers.push({ number: this.#bytes.readUInt16BE(0), answer });
      this.#bytes = this.#bytes.subarray(end + 1);
    }
  }
}

/** A failure as an answer. What nobody foresaw is thrown on. */
export function answerOf(failure: unknown): Done {
  if (failure instanceof Exit)
    return { kind: "exit", code: failure.code, text: Buffer.from(failure.text, "latin1") };
  if (!isSystemError(failure)) throw failure;
  return { kind: "exit", code: 111, text: Buffer.from(`qmail-local: fatal: ${failure.message}\n`) };
}
