/** The conversation with qmail-clean: requests go out, one answer byte each comes back, in the same order. */
import type { Context } from "./context.ts";

/** `+`: done. undefined: qmail-clean is gone. */
type Answer = string | undefined;

interface Request {
  name: string;
  done: (answer: Answer) => void;
}

/** Requests under way; few enough that neither pipe can fill up, so that nobody ever waits for the other. */
const limit = 512;

const plus = 43;

/** The requests under way. */
export class Cleaner {
  readonly #context: Context;
  #requests: Request[] = [];
  readonly #names = new Set<string>();
  #gone = false;
  #removes = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Whether there is room for another request. */
  ready(): boolean {
    return this.#requests.length < limit;
  }

  /** Whether all requests were answered. */
  idle(): boolean {
    return this.#requests.length === 0;
  }

  /**
   * Whether the last message that was to leave todo did. Where none has, or one could not, none is delivered straight
   * from there: it would come again with every start.
   */
  removes(): boolean {
    return this.#removes;
  }

  /** Whether that file was named in a request that is not answered yet. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  ask(name: string, done: (answer: Answer) => void): void {
    if (this.#gone) {
      done(undefined);
      this.#die();
      return;
    }
    this.#requests.push({ name, done });
    this.#names.add(name);
    this.#context.askCleaner(name);
  }

  /** Asks to remove a message for good. */
  removeMessage(id: bigint): void {
    this.request(`foop/${id}`);
  }

  /** Asks for something that nothing else waits for. */
  request(name: string): void {
    this.ask(name, (answer) => {
      if (answer !== undefined && answer !== "+")
        this.#context.log(`warning: qmail-clean unable to clean up ${name}\n`);
    });
  }

  /** Answers that arrived. */
  receive(bytes: Uint8Array): void {
    for (const byte of bytes) {
      const request = this.#requests.shift();
      if (request === undefined) return;
      this.#names.delete(request.name);
      if (request.name.startsWith("todo/")) this.#removes = byte === plus;
      request.done(String.fromCharCode(byte));
    }
  }

  /** Its pipe ended. That is a reason to stop as soon as there is something to ask. */
  lose(): void {
    this.#gone = true;
    if (this.#requests.length === 0) return;
    const requests = this.#requests;
    this.#requests = [];
    this.#names.clear();
    for (const request of requests) request.done(undefined);
    this.#die();
  }

  #die(): void {
    this.#context.log("alert: oh no! lost qmail-clean connection! dying...\n");
    this.#context.exiting = true;
  }
}
