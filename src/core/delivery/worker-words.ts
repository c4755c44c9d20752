/**
 * What qmail-lspawn and a warm qmail-local say to each other. A request: its length in four bytes, then the arguments
 * of qmail-local(8), a NUL behind each; the message comes with it as a descriptor. An answer: a letter, a byte, a text
 * and a NUL: `X`, the exit code and what qmail-local would have written; or `P`, nothing was done, because programs
 * are to be run and a qmail-local of their own should do that.
 */

/** What a worker answers. */
export type Answer = { kind: "exit"; code: number; text: Buffer } | { kind: "programs" };

/** A request that is longer goes to a qmail-local of its own, in bytes. */
export const requestLimit = 60_000;

/** No honest answer is longer: reports are cut at 3000 bytes. */
const answerLimit = 65536;

const lengthSize = 4;
const [exit, programs] = [88, 80] as const;

/** Undefined: it is too long, or its parts could not be told apart. */
export function encodeRequest(args: readonly Buffer[]): Buffer | undefined {
  const size = args.reduce((sum, argument) => sum + argument.length + 1, 0);
  if (size > requestLimit || args.some((argument) => argument.includes(0))) return undefined;
  const length = Buffer.alloc(lengthSize);
  length.writeUInt32BE(size);
  return Buffer.concat([length, ...args.flatMap((argument) => [argument, Buffer.of(0)])]);
}

/** The arguments of a request that is complete; undefined: more has to come. */
export function decodeRequest(bytes: Buffer): Buffer[] | undefined {
  if (bytes.length < lengthSize || bytes.length < lengthSize + bytes.readUInt32BE(0)) return undefined;
  const args: Buffer[] = [];
  for (let start = lengthSize; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    if (end < 0) break;
    args.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return args;
}

export function encodeAnswer(answer: Answer): Buffer {
  if (answer.kind === "programs") return Buffer.of(programs, 0, 0);
  const end = answer.text.indexOf(0);
  const text = end < 0 ? answer.text : answer.text.subarray(0, end);
  return Buffer.concat([Buffer.of(exit, answer.code), text.subarray(0, answerLimit - 3), Buffer.of(0)]);
}

/** Puts an answer together from what arrives. A worker runs as a user, so it is not believed to make sense. */
export class AnswerReader {
  #bytes = Buffer.alloc(0);

  /** The answer, when it is complete. `nonsense`: this is no worker of ours any more. */
  add(piece: Uint8Array): Answer | "nonsense" | undefined {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    const [letter, code] = this.#bytes;
    if (letter !== undefined && letter !== exit && letter !== programs) return "nonsense";
    const end = this.#bytes.indexOf(0, 2);
    if (end < 0) return this.#bytes.length > answerLimit ? "nonsense" : undefined;
    if (end !== this.#bytes.length - 1) return "nonsense";
    const text = this.#bytes.subarray(2, end);
    this.#bytes = Buffer.alloc(0);
    return letter === programs ? { kind: "programs" } : { kind: "exit", code: code ?? 0, text };
  }
}
