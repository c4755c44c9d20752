/** The books of a soak: what was sent, what was promised, what came, and whether each copy more is a kill's. */

/** What becomes of a message. */
export const ways = ["mailbox", "forward", "list", "bounce", "remote", "deferred", "refused"] as const;
export type Way = (typeof ways)[number];

/** Of twenty messages, so many go each way. */
const shares: Readonly<Record<Way, number>> = {
  ...{ mailbox: 9, forward: 2, list: 1, bounce: 1 },
  ...{ remote: 5, deferred: 1, refused: 1 },
};

const order: readonly Way[] = ways.flatMap((way) => Array.from({ length: shares[way] }, () => way));

/** Neighbours go different ways: 7 has no factor in common with 20. */
export const wayOf = (number: number): Way => order[(number * 7) % order.length] ?? "mailbox";

export const sinkHost = "remote.example";

/** Where each message of that way has to come, once. */
export const placesOf: Readonly<Record<Way, readonly string[]>> = {
  mailbox: ["joe"],
  forward: ["ann"],
  list: ["joe", "ann", "bob"],
  bounce: ["joe, bounced"],
  remote: ["sink"],
  deferred: ["sink"],
  refused: ["joe, bounced"],
};

/** Its one recipient. */
export function recipientOf(number: number, host: string): string {
  const way = wayOf(number);
  if (placesOf[way][0] === "sink" || way === "refused") return `n${number}@${sinkHost}`;
  const local = { mailbox: "joe", forward: "joe-onward", list: "joe-list", bounce: "nobody-there" };
  return `${local[way as keyof typeof local]}@${host}`;
}

/** About a kilobyte, one of 500 about 200; no two are the same. */
export function bodyOf(number: number): string {
  const lines = number % 500 === 499 ? 4000 : (number * 7919) % 40;
  const text = Array.from(
    { length: lines },
    (_, line) => `message ${number}, line ${line}: ${"x".repeat(20)}`,
  );
  return [`number ${number}`, ...text, `end of ${number}`, ""].join("\n");
}

export const textOf = (number: number): string => `Subject: ${number}\n\n${bodyOf(number)}`;

interface Entry {
  sent: number;
  promised: boolean;
  copies: Map<string, number>;
}

/** Counts over all messages of a way. */
export interface Line {
  way: Way;
  /** Taken, as the client knows. */
  promised: number;
  /** Of these, come wherever they had to. */
  kept: number;
  lost: number;
  /** Copies beyond the first, of messages that a kill or what it ended met on their way. */
  doubled: number;
  /** Copies that no kill explains, or at a place where they have no business. */
  wrong: number;
}

/** Milliseconds after a kill in which something ends because of it: a delivery may take that long. */
const aftermath = 60_000;

export class Books {
  readonly #entries = new Map<number, Entry>();
  readonly #kills: number[] = [];
  readonly #ends: number[] = [];
  /** Of each way, copies that ought not to be. */
  readonly #wrong = new Map<Way, string[]>();
  readonly #doubled = new Map<Way, number>();
  /** Messages that were sent, that were taken, that were not. */
  sent = 0;
  promised = 0;
  refused = 0;
  /** Sent, and nobody knows: the connection or the program was gone. */
  open = 0;
  /** Copies that came. */
  arrived = 0;
  /** Arrived, but not to the last byte what was sent. */
  readonly torn: string[] = [];

  /** The number of a new message. */
  send(now: number): number {
    const number = ++this.sent;
    this.#entries.set(number, { sent: now, promised: false, copies: new Map() });
    return number;
  }

  answer(number: number, answer: "taken" | "refused" | "unknown"): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) throw new Error(`message ${number} was never sent`);
    if (answer === "refused") this.refused++;
    else if (answer === "unknown") this.open++;
    else {
      this.promised++;
      entry.promised = true;
    }
  }

  kill(now: number): void {
    this.#kills.push(now);
  }

  /** A process has ended. It counts as the last kill's doing, which may be seconds ago, and not where that is long past. */
  end(now: number): void {
    const last = this.#kills.at(-1);
    if (last !== undefined && now - last < aftermath) this.#ends.push(now);
  }

  get kills(): readonly number[] {
    return this.#kills;
  }

  /** A copy has come; `where` is what to say about it if it is no message of ours. */
  arrive(place: string, text: string, now: number, where: string): void {
    const number = Number(/^number (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
    const entry = this.#entries.get(number);
    const head = text.slice(0, text.indexOf("\nnumber "));
    if (entry === undefined || !`\n${head}`.includes(`\nSubject: ${number}\n`) || !isEnd(text, number)) {
      this.torn.push(where);
      return;
    }
    this.arrived++;
    const way = wayOf(number);
    const bounced = text.startsWith("Return-Path: <>\n") ? ", bounced" : "";
    const at = place + bounced;
    const copies = (entry.copies.get(at) ?? 0) + 1;
    entry.copies.set(at, copies);
    if (!placesOf[way].includes(at)) this.#complain(way, `message ${number} is at ${at}`);
    else if (copies > 1 && this.#wasKilled(entry.sent, now))
      this.#doubled.set(way, (this.#doubled.get(way) ?? 0) + 1);
    else if (copies > 1)
      this.#complain(
        way,
        `message ${number} came ${copies} times to ${at}, without a kill between ${time(entry.sent)} and ${time(now)}`,
      );
  }

  lines(): Line[] {
    return ways.map((way) => {
      const all = [...this.#entries].filter(([number, { promised }]) => promised && wayOf(number) === way);
      const kept = all.filter(([, { copies }]) => placesOf[way].every((place) => copies.has(place))).length;
      return {
        ...{ way, promised: all.length, kept, lost: all.length - kept },
        doubled: this.#doubled.get(way) ?? 0,
        wrong: this.#wrong.get(way)?.length ?? 0,
      };
    });
  }

  /** What is wrong, message by message, up to so many. */
  complaints(most: number): string[] {
    const lost = [...this.#entries]
      .filter(([, { promised }]) => promised)
      .flatMap(([number, { copies }]) =>
        placesOf[wayOf(number)]
          .filter((place) => !copies.has(place))
          .map((place) => `message ${number}, ${wayOf(number)}, is not at ${place}`),
      );
    const torn = this.torn.map((where) => `torn: ${where}`);
    return [...lost, ...torn, ...[...this.#wrong.values()].flat()].slice(0, most);
  }

  #complain(way: Way, text: string): void {
    this.#wrong.set(way, [...(this.#wrong.get(way) ?? []), text]);
  }

  /** Whether a process was killed, or ended, between sending a message and its coming. */
  #wasKilled(sent: number, now: number): boolean {
    return [this.#kills, this.#ends].some((times) => times.some((time) => time >= sent && time <= now));
  }
}

const time = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(11, 23);

/** Only bounces have a line more behind the message. */
const isEnd = (text: string, number: number): boolean => {
  const end = `\n${bodyOf(number)}`;
  return text.endsWith(end) || text.endsWith(`${end}\n`);
};
