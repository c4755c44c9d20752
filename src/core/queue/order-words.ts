/**
 * Orders to qmail-send, and its answers, as they stand in files of queue/ask (queue(5)): records that end with NUL.
 * An order is complete with its `e`; the answers follow it.
 */
import type { QueueDisk } from "./files.ts";

export const verbs = ["hold", "release", "retry", "remove", "bounce"] as const;

/** What can be done to a message. */
export type Verb = (typeof verbs)[number];

/** A message as the order's author saw it. */
export interface Target {
  id: bigint;
  identity: string;
}

/** One order. `text` is for bounce: why; its characters are bytes. */
export interface Order {
  verb: Verb;
  text: string;
  targets: readonly Target[];
}

/**
 * `done`; `later`: when the attempt that is under way is over; `same`: it was so already; `gone`: there is no such
 * message any more; `over`: it is about to leave the queue in any case; `held`: release it first; else the reason why
 * it could not be done.
 */
export type Outcome = "done" | "later" | "same" | "gone" | "over" | "held" | { failed: string };

/** What became of each message. */
export type Outcomes = ReadonlyMap<bigint, Outcome>;

const plain = ["done", "later", "same", "gone", "over", "held"] as const;

export function formatOrder({ verb, text, targets }: Order): string {
  const named = targets.map(({ id, identity }) => `m${id} ${identity}\0`);
  return `v${verb}\0t${text.replaceAll("\0", "")}\0${named.join("")}e\0`;
}

export function formatAnswers(outcomes: Outcomes): string {
  return [...outcomes]
    .map(([id, outcome]) => `a${id} ${typeof outcome === "string" ? outcome : `!${outcome.failed}`}\0`)
    .join("");
}

/** A file of queue/ask. `length`: how many bytes the order has; undefined without an order that is complete. */
export interface Paper {
  order: Order | undefined;
  length: number;
  outcomes: Map<bigint, Outcome>;
}

export function readPaper(disk: QueueDisk, path: string): Paper {
  const outcomes = new Map<bigint, Outcome>();
  const targets: Target[] = [];
  const records = disk.open(path);
  let [verb, text, length, end]: [Verb | undefined, string, number, number | undefined] = [
    undefined,
    "",
    0,
    undefined,
  ];
  try {
    for (let record = records.next(); record !== undefined; record = records.next()) {
      length += record.length + 1;
      const words = record.slice(1);
      if (record.startsWith("v")) verb = verbs.find((known) => known === words);
      else if (record.startsWith("t")) text = words;
      else if (record.startsWith("m")) targets.push(...targetOf(words));
      else if (record.startsWith("e")) end ??= length;
      else if (record.startsWith("a")) readAnswer(words, outcomes);
    }
  } finally {
    records.close();
  }
  const order = verb === undefined || end === undefined ? undefined : { verb, text, targets };
  return { order, length: end ?? length, outcomes };
}

function targetOf(words: string): Target[] {
  const [, id, identity] = /^(\d{1,20}) (\d+)$/.exec(words) ?? [];
  return id === undefined || identity === undefined ? [] : [{ id: BigInt(id), identity }];
}

function readAnswer(words: string, outcomes: Map<bigint, Outcome>): void {
  const [, id, word] = /^(\d{1,20}) (.*)$/s.exec(words) ?? [];
  if (id === undefined || word === undefined) return;
  const outcome = plain.find((known) => known === word) ?? { failed: word.slice(1) };
  outcomes.set(BigInt(id), outcome);
}
