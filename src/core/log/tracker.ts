/** From lines to messages and deliveries: the log names a message by a number that is used again, and so are deliveries. */
import { type Channel, eventOf, type LogEvent, type Result } from "./event.ts";
import type { LogLine } from "./line.ts";

/** A message between its first line and `end msg`. What the log did not say, because it begins later, is undefined. */
export interface Message {
  id: string;
  /** Unix time of its arrival. */
  born: number | undefined;
  bytes: number | undefined;
  sender: string | undefined;
  qp: string | undefined;
  uid: string | undefined;
  attempts: Record<Result, number>;
}

/** One attempt for one recipient. */
export interface Delivery {
  number: string;
  channel: Channel;
  recipient: string;
  message: Message;
  started: number | undefined;
}

/** A line, and what it is about. */
export interface Seen {
  time: number | undefined;
  event: LogEvent;
  message?: Message;
  delivery?: Delivery;
}

/** Messages that are known at a time: those whose end the log does not have must not fill the memory. */
const most = 250_000;

export class Tracker {
  readonly #messages = new Map<string, Message>();
  readonly #deliveries = new Map<string, Delivery>();

  /** Deliveries that have begun and not ended. */
  get running(): Iterable<Delivery> {
    return this.#deliveries.values();
  }

  /** Reads the next line. */
  feed({ time, text }: LogLine): Seen {
    const event = eventOf(text);
    const seen = { time, event };
    switch (event.kind) {
      case "new":
        return { ...seen, message: this.#begin(event.id, time) };
      case "info": {
        const { bytes, sender, qp, uid } = event;
        return { ...seen, message: Object.assign(this.#message(event.id), { bytes, sender, qp, uid }) };
      }
      case "bounce":
      case "discarded":
        return { ...seen, message: this.#message(event.id) };
      case "end": {
        const message = this.#message(event.id);
        this.#messages.delete(event.id);
        return { ...seen, message };
      }
      case "start":
        return { ...seen, ...this.#start(event, time) };
      case "success":
      case "failure":
      case "deferral":
      case "mangled":
        return {
          ...seen,
          ...this.#finish(event.delivery, event.kind === "mangled" ? "deferral" : event.kind),
        };
      case "status":
        // A qmail-send that has just started counts from 1 again, and what the last one did not finish is over.
        if (event.local.running === 0 && event.remote.running === 0) this.#deliveries.clear();
        return seen;
      default:
        return seen;
    }
  }

  #begin(id: string, born: number | undefined): Message {
    this.#messages.delete(id);
    const nothing = { bytes: undefined, sender: undefined, qp: undefined, uid: undefined };
    const message: Message = { id, born, ...nothing, attempts: { success: 0, failure: 0, deferral: 0 } };
    this.#messages.set(id, message);
    if (this.#messages.size > most)
      for (const oldest of this.#messages.keys()) {
        this.#messages.delete(oldest);
        break;
      }
    return message;
  }

  #message(id: string): Message {
    return this.#messages.get(id) ?? this.#begin(id, undefined);
  }

  #start(
    event: LogEvent & { kind: "start" },
    started: number | undefined,
  ): { message: Message; delivery: Delivery } {
    const { delivery: number, channel, recipient, id } = event;
    const message = this.#message(id);
    const delivery = { number, channel, recipient, message, started };
    this.#deliveries.set(number, delivery);
    return { message, delivery };
  }

  #finish(number: string, result: Result): { message?: Message; delivery?: Delivery } {
    const delivery = this.#deliveries.get(number);
    if (delivery === undefined) return {};
    this.#deliveries.delete(number);
    delivery.message.attempts[result]++;
    return { message: delivery.message, delivery };
  }
}
