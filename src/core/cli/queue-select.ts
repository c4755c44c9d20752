/** Which messages a `qmail queue` command means: numbers, or options that all have to fit. */
import type { QueuedMessage } from "../queue/queued.ts";
import { type Given, textOf } from "./options.ts";
import { refuse } from "./trouble.ts";

/** Options of every command that takes several messages. */
export const selectionOptions = [
  ["--all", "every message"],
  ["--from <address>", "whose envelope sender this is; * and ? stand for any characters; <> for none"],
  ["--to <address>", "that wait for this recipient; * and ? as in --from"],
  ["--channel <name>", "that wait for recipients on this channel: local or remote"],
  ["--older <age>", "that have been in the queue for longer: 90s, 15m, 6h, 3d, 2w"],
  ["--state <state>", "in this state: new, waiting, held, removing, bouncing, ending"],
] as const;

/** What was selected. `ids`: exactly these numbers. */
export interface Selection {
  ids: readonly bigint[];
  /** Whether nothing at all was said. */
  empty: boolean;
  matches: (message: QueuedMessage, now: number) => boolean;
}

type Test = (message: QueuedMessage, now: number) => boolean;

const states = ["new", "waiting", "held", "removing", "bouncing", "ending"];
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const largestId = 2n ** 64n - 1n;

/** Reads the selection of a command line; what makes no sense is refused. */
export function selectionOf(given: Given): Selection {
  const ids = given.names.map(idOf);
  const tests = [...testsOf(given)];
  const all = given.options.all === true;
  if (ids.length > 0 && (all || tests.length > 0))
    throw refuse("give message numbers, or options that select messages, not both");
  if (all && tests.length > 0)
    throw refuse("--all selects every message: leave out the other options, or --all");
  return {
    ids,
    empty: ids.length === 0 && tests.length === 0 && !all,
    matches: (message, now) => tests.every((test) => test(message, now)),
  };
}

/** A message number, with or without the # that lists have in front of it. */
export function idOf(text: string): bigint {
  const digits = /^#?([1-9]\d{0,19})$/.exec(text)?.[1];
  const id = BigInt(digits ?? 0);
  if (id === 0n || id > largestId) throw refuse(`${JSON.stringify(text)} is not the number of a message`);
  return id;
}

function* testsOf(given: Given): Generator<Test> {
  const [from, to] = [textOf(given, "from"), textOf(given, "to")];
  if (from !== undefined) {
    const fits = pattern(from);
    yield ({ sender }) => fits.test(sender);
  }
  if (to !== undefined) {
    const fits = pattern(to);
    yield ({ recipients }) => recipients.some(({ address, done }) => !done && fits.test(address));
  }
  const channel = oneOf(given, "channel", ["local", "remote"]);
  if (channel !== undefined)
    yield ({ recipients }) =>
      recipients.some((recipient) => !recipient.done && recipient.channel === channel);
  const state = oneOf(given, "state", states);
  if (state !== undefined) yield (message) => message.state === state;
  const older = textOf(given, "older");
  if (older !== undefined) {
    const age = secondsOf(older);
    yield ({ since }, now) => now - since > age;
  }
}

function oneOf(given: Given, name: string, known: readonly string[]): string | undefined {
  const value = textOf(given, name);
  if (value !== undefined && !known.includes(value))
    throw refuse(`--${name} is one of ${known.join(", ")}, not ${JSON.stringify(value)}`);
  return value;
}

/** An age in seconds: a number and s, m, h, d or w. */
function secondsOf(text: string): number {
  const [, number, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units[unit];
  if (number === undefined || factor === undefined)
    throw refuse(`${JSON.stringify(text)} is not an age: it is a number and s, m, h, d or w, like 6h`);
  return Number(number) * factor;
}

/** Addresses are bytes, one a character. Nobody tells apart addresses by the case of letters. */
function pattern(given: string): RegExp {
  const text = given === "<>" ? "" : Buffer.from(given).toString("latin1");
  const source = text.replace(/./gs, (character) => {
    if (character === "*") return ".*";
    return character === "?" ? "." : character.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  });
  return new RegExp(`^${source}$`, "is");
}
