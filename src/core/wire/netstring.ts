/**
 * Netstrings, `length:bytes,`, as QMTP and QMQP clients send them (qmail-qmtpd(8)): read from pieces of any size, by a
 * session that is written down as one sequence of steps.
 */

/** The session ends: `100` for a client that does not speak the protocol, `111` for one that wants too much. */
export class SessionEnd extends Error {
  readonly exitCode: 0 | 100 | 111;
  constructor(exitCode: 0 | 100 | 111) {
    super(`session ends: ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Steps of a session: a generator that yields when it needs more input, or a promise that it needs the value of. */
export type Steps<Result = void> = Generator<"input" | Promise<unknown>, Result, unknown>;

/** A length may grow by one more digit as long as it is not larger. */
const largest = 200_000_000;

const colon = 58;
const comma = 44;
const zero = 48;

/** What came from the client and was not taken yet. */
export class NetstringInput {
  /** How many bytes may still be taken; the session ends if it needs more. */
  left = Number.POSITIVE_INFINITY;
  /** Whether the client is in the middle of something; a session that waits for a new message says no. */
  begun = false;
  #bytes: Buffer = Buffer.alloc(0);
  #position = 0;

  /** More bytes, after all before them were taken. They stay in use until more are needed. */
  give(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#position = 0;
  }

  *byte(): Steps<number> {
    yield* this.#need();
    this.begun = true;
    this.left--;
    return this.#bytes[this.#position++] ?? 0;
  }

  /** At least one byte and at most `most`. Valid until the next step. */
  *some(most: number): Steps<Buffer> {
    yield* this.#need();
    const length = Math.min(most, this.left, this.#bytes.length - this.#position);
    this.left -= length;
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  /** A length and its colon. No digit at all is 0. */
  *length(): Steps<number> {
    for (let length = 0; ; ) {
      const byte = yield* this.byte();
      if (byte === colon) return length;
      if (length > largest) throw new SessionEnd(111);
      const digit = byte - zero;
      if (digit < 0 || digit > 9) throw new SessionEnd(100);
      length = 10 * length + digit;
    }
  }

  *comma(): Steps {
    if ((yield* this.byte()) !== comma) throw new SessionEnd(100);
  }

  /** `length` bytes; undefined, and they are gone, if they are more than `limit`. */
  *text(length: number, limit: number): Steps<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let rest = length; rest > 0; ) {
      const piece = yield* this.some(rest);
      rest -= piece.length;
      if (length <= limit) parts.push(Buffer.from(piece));
    }
    return length <= limit ? Buffer.concat(parts) : undefined;
  }

  *#need(): Steps {
    if (this.left <= 0) throw new SessionEnd(100);
    while (this.#position === this.#bytes.length) yield "input";
  }
}

/** The value of a promise, for steps. */
export function* settled<Value>(value: Value | Promise<Value>): Steps<Value> {
  return value instanceof Promise ? ((yield value) as Value) : value;
}

/** Runs the steps of a session as input arrives. */
export class SteppedSession {
  readonly #input: NetstringInput;
  readonly #steps: Steps;
  #exitCode: number | undefined;

  constructor(input: NetstringInput, steps: Steps) {
    this.#input = input;
    this.#steps = steps;
  }

  /** Set when the session is over. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Whether the client is in the middle of a message. */
  get inTransaction(): boolean {
    return this.#input.begun;
  }

  /** Takes what the client sent. One call at a time; the bytes may be overwritten when it is done. */
  async feed(bytes: Buffer): Promise<void> {
    if (this.#exitCode !== undefined || bytes.length === 0) return;
    this.#input.give(bytes);
    try {
      await this.#run();
    } catch (end) {
      if (!(end instanceof SessionEnd)) throw end;
      this.#exitCode = end.exitCode;
    }
  }

  /** As far as the input goes. */
  async #run(): Promise<void> {
    for (let answer: unknown; ; ) {
      const { done, value } = this.#steps.next(answer);
      if (done === true) this.#exitCode = 0;
      if (done === true || value === "input") return;
      answer = await value;
    }
  }
}

/** Text as a netstring. */
export function netstring(text: string): Buffer {
  const content = Buffer.from(text, "latin1");
  return Buffer.concat([Buffer.from(`${content.length}:`), content, Buffer.of(comma)]);
}
