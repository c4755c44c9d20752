/** One message among all, with what came of it: its bounces, and what was forwarded. */
import type { Channel, LogEvent } from "./event.ts";
import type { Message, Seen } from "./tracker.ts";

/** Which messages; each criterion that is given suffices. */
export interface Wanted {
  id?: string | undefined;
  /** A sender or a recipient; case does not matter. */
  address?: string | undefined;
  qp?: string | undefined;
}

/** Lines of a message, and messages, that are kept until it is clear whether they are wanted. */
const linesKept = 1000;
const messagesKept = 10_000;

/** Picks the lines about the messages that are wanted. */
export class Thread {
  readonly #id: string | undefined;
  readonly #address: string | undefined;
  /** Processes that queued messages which did not come yet. */
  readonly #qps = new Set<string>();
  /** Messages by the process that queued them: one that is forwarded may be there before the log says so. */
  readonly #recent = new Map<string, Message>();
  readonly #histories = new WeakMap<Message, Seen[]>();
  readonly #chosen = new WeakSet<Message>();

  constructor({ id, address, qp }: Wanted) {
    this.#id = id;
    this.#address = address?.toLowerCase();
    if (qp !== undefined) this.#qps.add(qp);
  }

  /** The lines to show, once this one is known. */
  feed(seen: Seen): Seen[] {
    const { message } = seen;
    if (message === undefined) return [];
    // The message goes on to change.
    const copy = { ...seen, message: { ...message } };
    if (this.#chosen.has(message)) return [copy, ...this.#followOn(copy)];
    this.#keep(message, copy);
    return this.#isWanted(seen, message) ? this.#choose(message) : [];
  }

  #keep(message: Message, seen: Seen): void {
    const history = this.#histories.get(message) ?? [];
    this.#histories.set(message, history);
    history.push(seen);
    if (history.length > linesKept) history.shift();
    if (seen.event.kind !== "info") return;
    this.#recent.delete(seen.event.qp);
    this.#recent.set(seen.event.qp, message);
    if (this.#recent.size <= messagesKept) return;
    const [oldest = ""] = this.#recent.keys();
    this.#recent.delete(oldest);
  }

  #isWanted({ event, delivery }: Seen, message: Message): boolean {
    if (this.#id === message.id) return true;
    if (event.kind === "info") return this.#qps.delete(event.qp) || this.#isAddress(event.sender);
    return this.#isAddress(delivery?.recipient);
  }

  /** virtualdomains put something and a hyphen in front of a recipient. */
  #isAddress(text: string | undefined): boolean {
    const wanted = this.#address;
    if (wanted === undefined || text === undefined) return false;
    const found = text.toLowerCase();
    return found === wanted || found.endsWith(`-${wanted}`);
  }

  #choose(message: Message): Seen[] {
    this.#chosen.add(message);
    const history = this.#histories.get(message) ?? [];
    this.#histories.delete(message);
    return history.flatMap((seen) => [seen, ...this.#followOn(seen)]);
  }

  /** A bounce or a forwarded message is known by the process that queued it. */
  #followOn({ event, delivery }: Seen): Seen[] {
    const qp = event.kind === "bounce" ? event.qp : forwardedBy(event, delivery?.channel);
    if (qp === undefined) return [];
    const message = this.#recent.get(qp);
    this.#recent.delete(qp);
    if (message !== undefined && !this.#chosen.has(message)) return this.#choose(message);
    this.#qps.add(qp);
    return [];
  }
}

/** Other hosts answer with numbers of their own processes: only local deliveries count. */
function forwardedBy(event: LogEvent, channel: Channel | undefined): string | undefined {
  if (event.kind !== "success" || channel !== "local") return undefined;
  return /^did_\d+\+\d+\+\d+\/qp_(\d+)/.exec(event.report)?.[1];
}
