/** What a seed asks of the system: messages, what becomes of their recipients, orders, and what goes wrong. */
import { type Mode, modes } from "./disk.ts";
import { Random } from "./random.ts";

/** A message to be submitted. What is in it says which it is. */
export interface Plan {
  number: number;
  /** Milliseconds after the start. */
  at: number;
  way: "one-shot" | "resident";
  sender: string;
  recipients: readonly string[];
  text: Buffer;
}

export interface OrderPlan {
  at: number;
  verb: "hold" | "release" | "retry" | "remove" | "bounce";
  /** For the messages whose number leaves this rest. */
  among: (number: number) => boolean;
}

export interface Scenario {
  seed: number;
  mode: Mode;
  plans: readonly Plan[];
  orders: readonly OrderPlan[];
  /** How often a call fails, and how many do at most. */
  faults: { rate: number; most: number };
  /** How often a process dies at a call, and how many do at most. */
  kills: { rate: number; most: number };
  /** When qmail-send is told to stop. */
  stops: readonly number[];
  /** Milliseconds after which it is started again then, and after which it is started at all. */
  away: number;
  start: number | undefined;
}

export const local = "here.example";
export const remote = "there.example";
export const postmaster = `postmaster@${local}`;

/** Text in which every sector says whose it is. */
function textOf(number: number, lines: number): Buffer {
  const body = Array.from({ length: lines }, (_, line) => `${number} line ${line} of ${lines}\n`);
  return Buffer.from(`Subject: message ${number}\n\n${body.join("")}end of ${number}\n`);
}

/** The number of the message whose text that is, or that a bounce ends with; -1: there is none. */
export const numberIn = (text: string): number => Number(/end of (\d+)\n$/.exec(text)?.[1] ?? -1);

const usual = ["ok", "ok", "ok", "ok", "fail", "fail", "later1", "never"];
const near = ["m0", "m0", "m1", "b0", "r0"];

/** For messages that stay for a while, and are many hosts'. */
const slow = ["never", "never", "never", "later1", "later2", "ok"];
const far = ["m0", "m1", "b0", "r0", "r0", "r0"];

/** `what-number-box@host`: the number is the message's. */
function recipientOf(number: number, place: number, random: Random, whats = usual, boxes = near): string {
  const what = random.of(whats);
  const box = random.of(boxes);
  return `${what}-${number}-${box}-${place}@${box === "r0" ? remote : local}`;
}

export function planOf(number: number, at: number, random: Random): Plan {
  return {
    number,
    at,
    way: random.of(["one-shot", "one-shot", "resident"]),
    sender: random.of([
      `s-${number}-m1-0@${local}`,
      `s-${number}-m1-0@${local}`,
      `s-${number}-r0-0@${remote}`,
      "",
    ]),
    recipients: Array.from({ length: 1 + random.below(3) }, (_, place) => recipientOf(number, place, random)),
    text: textOf(number, random.of([0, 2, 30, 60, 150])),
  };
}

/** Every other thousand of the seeds is about orders. */
export const isOperators = (seed: number): boolean => Math.floor(seed / 1000) % 2 === 1;

/** Few messages, which nobody takes for a while; many orders; and qmail-send is not always there. */
function operatorsOf(seed: number, mode: Mode): Scenario {
  const random = new Random("operators", seed);
  const burst = random.of([20, 3000]);
  const plans = Array.from({ length: 1 + random.below(3) }, (_, index): Plan => {
    const plan = planOf(index + 1, random.below(burst), random);
    const recipients = plan.recipients.map((_, place) => recipientOf(index + 1, place, random, slow, far));
    return { ...plan, recipients };
  });
  const verbs = ["hold", "hold", "release", "retry", "retry", "remove", "bounce"] as const;
  const orders = Array.from({ length: 2 + random.below(6) }, (): OrderPlan => {
    const rest = random.below(2);
    return {
      at: random.below(random.of([burst + 100, burst + 1000, 100_000])),
      verb: random.of(verbs),
      among: random.chance(0.5) ? () => true : (number: number) => number % 2 === rest,
    };
  });
  const calm = { rate: 0, most: 0 };
  return {
    seed,
    mode,
    plans,
    orders,
    faults: random.chance(0.15) ? { rate: 0.01, most: random.of([1, 2, 6]) } : calm,
    kills: random.chance(0.15) ? { rate: 0.004, most: random.of([1, 2]) } : calm,
    stops: Array.from({ length: random.below(3) }, () => random.below(burst + 1000)),
    away: random.of([1000, 30_000]),
    start: random.of([0, 30, burst + 500, 200_000]),
  };
}

export function scenarioOf(seed: number, chosen?: Mode): Scenario {
  const mode = chosen ?? modes[seed % modes.length] ?? "posix";
  if (isOperators(seed)) return operatorsOf(seed, mode);
  const random = new Random("scenario", seed);
  const count = 1 + random.below(4);
  const burst = random.chance(0.5) ? 20 : 3000;
  const plans = Array.from({ length: count }, (_, index) => planOf(index + 1, random.below(burst), random));
  const orders: OrderPlan[] = [];
  for (let count = random.of([0, 0, 1, 2]); count > 0; count--) {
    const verb = random.of(["hold", "hold", "retry", "remove", "bounce"] as const);
    const rest = random.below(2);
    const among = random.chance(0.5) ? () => true : (number: number) => number % 2 === rest;
    const at = random.of([random.below(burst + 50), burst + 200, 50_000]);
    orders.push({ at, verb, among });
    if (verb === "hold") orders.push({ at: at + random.of([20, 2000]), verb: "release", among: () => true });
  }
  return {
    seed,
    mode,
    plans,
    orders,
    faults: random.chance(0.3)
      ? { rate: random.of([0.002, 0.01, 0.05]), most: random.of([1, 2, 6]) }
      : { rate: 0, most: 0 },
    kills: random.chance(0.3) ? { rate: 0.004, most: random.of([1, 2]) } : { rate: 0, most: 0 },
    stops: random.chance(0.15) ? [random.below(burst + 1000)] : [],
    away: 1000,
    start: undefined,
  };
}

/** What an address asks for. */
export function addressed(address: string): { what: string; number: number; box: string } | undefined {
  if (address === postmaster) return { what: "ok", number: 0, box: "m9" };
  const [, what, number, box] = /^([a-z]+\d*)-(\d+)-([mbr]\d)-\d@/.exec(address) ?? [];
  return what === undefined || box === undefined ? undefined : { what, number: Number(number), box };
}
