/** How `qmail queue` tells people, and other programs, about messages and what became of them. */

import type { Outcome, Verb } from "../queue/order-words.ts";
import type { QueuedMessage } from "../queue/queued.ts";
import type { Paint } from "./paint.ts";
import { decoded, oneLine } from "./people.ts";

/** An address for people. */
export const address = (bytes: string): string => oneLine(decoded(bytes));

/** How long ago, in its two largest units: `2d 3h`. */
export function age(seconds: number): string {
  const units = [
    ["w", 604800],
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const;
  const first = Math.max(
    units.findIndex(([, length]) => seconds >= length),
    0,
  );
  const words = seconds < 1 ? ["0s"] : [];
  let left = Math.max(seconds, 0);
  for (const [unit, length] of units.slice(seconds < 1 ? units.length : first, first + 2)) {
    const count = Math.floor(left / length);
    if (count > 0) words.push(`${count}${unit}`);
    left -= count * length;
  }
  return words.join(" ");
}

/** A message in a list: a line about it, and one for each recipient. */
export function* listed(message: QueuedMessage, now: number, colours: Paint): Generator<string> {
  const { id, state, size, since, sender, recipients, failures } = message;
  const paint = state === "waiting" || state === "new" ? colours.quiet : colours.waiting;
  const failed = failures ? colours.bad(" some failed") : "";
  yield `${colours.strong(String(id))} ${paint(state)} ${age(now - since)} ${size} bytes from <${address(sender)}>${failed}`;
  for (const { channel, address: to, done } of recipients)
    yield `\t${done ? colours.quiet("done") : "to"} ${channel ?? "-"} ${address(to)}`;
}

/** A message as a JSON value; addresses are text. */
export function asJson(message: QueuedMessage): Record<string, unknown> {
  const { id, state, size, since, sender, recipients, failures } = message;
  return {
    id: id.toString(),
    state,
    size,
    since: new Date(since * 1000).toISOString(),
    sender: decoded(sender),
    failures,
    recipients: recipients.map(({ channel, address: to, done }) => ({
      channel: channel ?? null,
      address: decoded(to),
      done,
    })),
  };
}

const done: Readonly<Record<Verb, string>> = {
  hold: "held",
  release: "released, and due now",
  retry: "due now",
  remove: "removed",
  bounce: "bounced to its sender",
};

const later: Readonly<Record<Verb, string>> = {
  hold: "held, when the attempt under way is over",
  release: "released",
  retry: "due again when the attempt under way is over",
  remove: "to be removed as soon as nothing is under way for it",
  bounce: "to be bounced to its sender as soon as nothing is under way for it",
};

/** What became of a message. */
export function outcomeText(verb: Verb, outcome: Outcome | undefined): string {
  switch (outcome) {
    case "done":
      return done[verb];
    case "later":
      return later[verb];
    case "same":
      return verb === "hold" ? "held already" : "not held";
    case "gone":
      return "has left the queue";
    case "over":
      return "is about to leave the queue in any case";
    case "held":
      return "is held: release it first";
    case undefined:
      return "no answer: its state is in `qmail queue list`";
    default:
      return `failed: ${outcome.failed}`;
  }
}

/** The word for other programs. */
export const outcomeWord = (outcome: Outcome | undefined): string =>
  outcome === undefined ? "unknown" : typeof outcome === "string" ? outcome : "failed";
