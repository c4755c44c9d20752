/** What a log says in sum: messages, deliveries, reasons, people, hosts, delays, and what happened when. */
import { type Distribution, Durations } from "./durations.ts";
import type { Channel, Load, Result } from "./event.ts";
import { reasonOf } from "./reason.ts";
import { type Counted, Tally } from "./tally.ts";
import { Timeline, type TimelineReport } from "./timeline.ts";
import type { Delivery, Message, Seen } from "./tracker.ts";

/** Results of attempts. */
export type Results = Record<Result, number>;

/** The report. Times are Unix times and durations seconds; lists begin with the greatest. */
export interface Report {
  from: number | null;
  to: number | null;
  lines: number;
  /** Lines that no qmail-send writes. */
  unknownLines: number;
  messages: {
    new: number;
    ended: number;
    /** Of the new ones. */
    bytes: number;
    largest: number;
    /** With the empty sender. */
    bouncesIn: number;
    /** Made here. */
    bouncesOut: number;
    discarded: number;
  };
  attempts: Record<Channel, Results>;
  /** The most deliveries under way at a time. */
  peak: Record<Channel, Load>;
  /** From a message's arrival to a recipient's success. */
  delay: Distribution;
  /** From the beginning of a successful attempt to its end. */
  duration: Distribution;
  /** From a message's arrival to its end. */
  lifetime: Distribution;
  deferrals: Reason[];
  failures: Reason[];
  senders: Counted<"messages" | "bytes" | Result>[];
  recipients: Counted<"attempts" | Result>[];
  hosts: HostRow[];
  users: Counted<"messages" | "bytes">[];
  alerts: { alerts: number; warnings: number; exits: number; last: { time: number | null; text: string }[] };
  timeline: TimelineReport;
  /** How many rare names were dropped from the lists, to bound the memory. */
  dropped: number;
}

/** A reason, how often it was given,. */
export interface Reason {
  reason: string;
  count: number;
  /** One report as it was logged. */
  example: string;
}

/** A host to which mail was sent, or a local domain. */
export interface HostRow extends Results {
  name: string;
  attempts: number;
  /** Mean seconds of an attempt, of those whose times are known. */
  meanDuration: number | null;
}

const results = ["success", "failure", "deferral"] as const;
const remembered = 20;
const examplesKept = 10_000;

const none = (): Results => ({ success: 0, failure: 0, deferral: 0 });

export class Statistics {
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unknown = 0;
  readonly #messages = { new: 0, ended: 0, bytes: 0, largest: 0, bouncesIn: 0, bouncesOut: 0, discarded: 0 };
  readonly #attempts = { local: none(), remote: none() };
  readonly #peak = { local: { running: 0, limit: 0 }, remote: { running: 0, limit: 0 } };
  readonly #delay = new Durations();
  readonly #duration = new Durations();
  readonly #lifetime = new Durations();
  readonly #reasons = { failure: new Tally(["count"]), deferral: new Tally(["count"]) };
  readonly #examples = new Map<string, string>();
  readonly #senders = new Tally(["messages", "bytes", ...results]);
  readonly #recipients = new Tally(["attempts", ...results]);
  readonly #hosts = new Tally(["attempts", ...results, "timed", "seconds"]);
  readonly #users = new Tally(["messages", "bytes"]);
  readonly #alerts = { alerts: 0, warnings: 0, exits: 0 };
  readonly #last: { time: number | null; text: string }[] = [];
  readonly #timeline = new Timeline();

  add(seen: Seen): void {
    const { time, event, message, delivery } = seen;
    this.#lines++;
    if (time !== undefined) {
      this.#from = Math.min(this.#from, time);
      this.#to = Math.max(this.#to, time);
    }
    switch (event.kind) {
      case "info":
        this.#arrived(time, event);
        break;
      case "success":
      case "failure":
      case "deferral":
        this.#attempted(seen, event.kind, event.report, delivery);
        break;
      case "mangled":
        this.#attempted(seen, "deferral", "report mangled", delivery);
        break;
      case "bounce":
        this.#messages.bouncesOut++;
        break;
      case "discarded":
        this.#messages.discarded++;
        break;
      case "end":
        this.#messages.ended++;
        if (time !== undefined && message?.born !== undefined) this.#lifetime.add(time - message.born);
        break;
      case "status":
        for (const channel of ["local", "remote"] as const)
          if (event[channel].running >= this.#peak[channel].running) this.#peak[channel] = event[channel];
        break;
      case "exit":
        this.#alerts.exits++;
        break;
      case "alert":
      case "warning":
        this.#alerts[event.kind === "alert" ? "alerts" : "warnings"]++;
        this.#last.push({ time: time ?? null, text: `${event.kind}: ${event.text}` });
        if (this.#last.length > remembered) this.#last.shift();
        break;
      case "other":
        this.#unknown++;
        break;
      case "new":
      case "start":
        break;
    }
  }

  #arrived(
    time: number | undefined,
    { bytes, sender, uid }: { bytes: number; sender: string; uid: string },
  ): void {
    const counts = this.#messages;
    counts.new++;
    counts.bytes += bytes;
    counts.largest = Math.max(counts.largest, bytes);
    if (sender === "" || sender === "#@[]") counts.bouncesIn++;
    this.#senders.add(sender, { messages: 1, bytes });
    this.#users.add(uid, { messages: 1, bytes });
    if (time !== undefined) this.#timeline.add(time, "messages");
  }

  #attempted({ time }: Seen, result: Result, report: string, delivery: Delivery | undefined): void {
    if (time !== undefined) this.#timeline.add(time, result);
    if (result !== "success") this.#because(result, report);
    if (delivery === undefined) return;
    const { channel, recipient, message, started } = delivery;
    this.#attempts[channel][result]++;
    const duration = time !== undefined && started !== undefined ? Math.max(0, time - started) : undefined;
    this.#recipients.add(recipient, { attempts: 1, [result]: 1 });
    this.#hosts.add(recipient.slice(recipient.lastIndexOf("@") + 1).toLowerCase(), {
      attempts: 1,
      [result]: 1,
      ...(duration === undefined ? {} : { timed: 1, seconds: duration }),
    });
    if (message.sender !== undefined) this.#senders.add(message.sender, { [result]: 1 });
    if (result === "success") this.#timed(time, duration, message);
  }

  #timed(time: number | undefined, duration: number | undefined, { born }: Message): void {
    if (duration !== undefined) this.#duration.add(duration);
    if (time !== undefined && born !== undefined) this.#delay.add(time - born);
  }

  #because(result: "failure" | "deferral", report: string): void {
    const reason = reasonOf(report);
    this.#reasons[result].add(reason, { count: 1 });
    if (this.#examples.size < examplesKept && !this.#examples.has(reason)) this.#examples.set(reason, report);
  }

  /** The report; lists have at most `rows` entries. */
  report(rows = 20): Report {
    const reasons = (result: "failure" | "deferral"): Reason[] =>
      this.#reasons[result]
        .top(rows)
        .map(({ name, count }) => ({ reason: name, count, example: this.#examples.get(name) ?? "" }));
    const known = (time: number): number | null => (Number.isFinite(time) ? time : null);
    const tallies = [
      this.#reasons.failure,
      this.#reasons.deferral,
      this.#senders,
      this.#recipients,
      this.#hosts,
      this.#users,
    ];
    return {
      from: known(this.#from),
      to: known(this.#to),
      lines: this.#lines,
      unknownLines: this.#unknown,
      messages: { ...this.#messages },
      attempts: { local: { ...this.#attempts.local }, remote: { ...this.#attempts.remote } },
      peak: { ...this.#peak },
      delay: this.#delay.report(),
      duration: this.#duration.report(),
      lifetime: this.#lifetime.report(),
      deferrals: reasons("deferral"),
      failures: reasons("failure"),
      senders: this.#senders.top(rows),
      recipients: this.#recipients.top(rows),
      hosts: this.#hosts.top(rows).map(({ timed, seconds, ...row }) => ({
        ...row,
        meanDuration: timed === 0 ? null : seconds / timed,
      })),
      users: this.#users.top(rows),
      alerts: { ...this.#alerts, last: [...this.#last] },
      timeline: this.#timeline.report(),
      dropped: tallies.reduce((sum, { dropped }) => sum + dropped, 0),
    };
  }
}
