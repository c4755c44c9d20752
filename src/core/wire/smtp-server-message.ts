/** A message on its way from DATA into the queue: limits while it passes, and the reply at its end. */
import type { IntakeMessage } from "./intake.ts";
import { DataDecoder, type Decoded, HopCounter } from "./smtp-server-data.ts";
import { type Reply, replies } from "./smtp-server-replies.ts";

const maximumHops = 100;

/** One message while it is received, in constant memory. */
export class IncomingMessage {
  readonly #message: IntakeMessage;
  readonly #sizeLimit: number;
  readonly #decoder = new DataDecoder();
  readonly #counter = new HopCounter();
  #size = 0;

  /** @param sizeLimit the most bytes, counted as they go into the queue; 0: no limit */
  constructor(message: IntakeMessage, sizeLimit: number) {
    this.#message = message;
    this.#sizeLimit = sizeLimit;
  }

  /** Takes what the client sent after DATA. */
  async take(input: Buffer): Promise<Pick<Decoded, "taken" | "end">> {
    const { taken, text, end } = this.#decoder.take(input);
    this.#counter.take(input.subarray(0, taken));
    const wasTooBig = this.#isTooBig;
    this.#size += text.length;
    if (!this.#isTooBig) await this.#message.message(text);
    else if (!wasTooBig) this.#message.abandon();
    return { taken, end };
  }

  /** Hands the complete message over and tells what to say. */
  async submit(sender: Uint8Array, recipients: readonly Uint8Array[], now: () => number): Promise<Reply> {
    const looping = this.#counter.hops >= maximumHops;
    if (looping && !this.#isTooBig) this.#message.abandon();
    if (!looping && !this.#isTooBig) {
      await this.#message.from(sender);
      for (const recipient of recipients) await this.#message.to(recipient);
    }
    const verdict = await this.#message.close();
    if (looping) return replies.tooManyHops;
    if (this.#isTooBig) return replies.tooBig;
    return verdict.accepted ? accepted(now(), verdict.pid) : refused(verdict.report);
  }

  get #isTooBig(): boolean {
    return this.#sizeLimit > 0 && this.#size > this.#sizeLimit;
  }
}

const accepted = (now: number, pid: number): Reply => ({ text: `250 ok ${now} qp ${pid}` });

function refused(report: string): Reply {
  const [number, code] = report.startsWith("D") ? ["554", "5.3.0"] : ["451", "4.3.0"];
  return { text: `${number} ${report.slice(1)}`, code };
}
