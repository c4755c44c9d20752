/** A fuzzer in small: mutates sessions, keeps the ones that reach something new, and makes what fails as short as it can. */

/** What came of one input. Text has one character a byte. */
export interface Observed {
  /** Everything said to the other side. */
  output: string;
  /** Everything done, in order: messages queued, files removed, values read. */
  effects: readonly string[];
  /** Which kind of behaviour it was; an input of a new kind joins the corpus. */
  kind: string;
}

/** Something that reads what strangers send. */
export interface Engine {
  name: string;
  /** Sessions to begin with. */
  corpus: readonly string[];
  /** What mutations put in. */
  tokens: readonly string[];
  /** Takes the input in pieces of these lengths, over and over. What it throws is a finding. */
  run: (input: string, cuts: readonly number[]) => Promise<Observed> | Observed;
  /** It reads streams: how they are cut makes no difference, and nothing is said or done before its cause has come. */
  stream: boolean;
  /** What else must hold; returns what is wrong. */
  check?: (input: string, observed: Observed) => Promise<string | undefined> | string | undefined;
}

export interface Finding {
  engine: string;
  seed: number;
  input: string;
  problem: string;
}

export interface Result {
  executions: number;
  seconds: number;
  kinds: number;
  finding: Finding | undefined;
}

/** Random numbers from a seed (mulberry32). */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below `most`. */
  below(most: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, most);
  }

  one<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to choose from");
    return item;
  }
}

const longestInput = 4096;
const anyToken = [
  "\r\n",
  "\n",
  "\r",
  ".",
  "\r\n.\r\n",
  "\n.\r\n",
  "\r.\r",
  "\0",
  " ",
  "\xff",
  "9".repeat(30),
];

const put = (input: string, at: number, gone: number, text: string): string =>
  input.slice(0, at) + text + input.slice(at + gone);

type Mutation = (input: string, dice: Dice, engine: Engine, other: string) => string;

const mutations: readonly Mutation[] = [
  (input, dice) => put(input, dice.below(input.length), 1, String.fromCharCode(dice.below(256))),
  (input, dice) => put(input, dice.below(input.length + 1), 0, String.fromCharCode(dice.below(256))),
  (input, dice) => put(input, dice.below(input.length + 1), 0, dice.one(anyToken)),
  (input, dice, engine) => put(input, dice.below(input.length + 1), 0, dice.one(engine.tokens)),
  (input, dice, engine) => put(input, dice.below(input.length + 1), dice.below(8), dice.one(engine.tokens)),
  (input, dice) => put(input, dice.below(input.length), 1 + dice.below(1 << dice.below(8)), ""),
  (input, dice, _, other) =>
    input.slice(0, dice.below(input.length + 1)) + other.slice(dice.below(other.length + 1)),
  (input, dice) => {
    const from = dice.below(input.length);
    return put(input, from, 0, input.slice(from, from + 1 + dice.below(40)));
  },
  (input, dice) => put(input, dice.below(input.length + 1), 0, "x".repeat(1 << dice.below(12))),
];

function mutated(dice: Dice, engine: Engine, corpus: readonly string[]): string {
  let input = dice.one(corpus);
  for (let count = 1 + dice.below(4); count > 0; count--)
    input = dice.one(mutations)(input, dice, engine, dice.one(corpus));
  return input.slice(0, longestInput);
}

const startsWith = (whole: readonly string[], part: readonly string[]): boolean =>
  part.every((item, index) => item === whole[index]);

/** How many ways of cutting an input are tried where nothing else is tried. */
const tries = 20;

/** What is wrong with how the engine treats an input; undefined: nothing. */
export async function problemOf(engine: Engine, input: string): Promise<string | undefined> {
  const dice = new Dice(input.length);
  for (let count = 0; count < tries; count++) {
    const { problem } = await judge(engine, input, dice);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

async function judge(
  engine: Engine,
  input: string,
  dice: Dice,
): Promise<{ problem?: string | undefined; kind?: string }> {
  try {
    const whole = await engine.run(input, [Math.max(1, input.length)]);
    const problem =
      (await engine.check?.(input, whole)) ??
      (engine.stream ? await cutProblem(engine, input, whole, dice) : undefined);
    return { problem, kind: whole.kind };
  } catch (failure) {
    return { problem: `throws ${failure instanceof Error ? failure.stack : failure}` };
  }
}

async function cutProblem(
  engine: Engine,
  input: string,
  whole: Observed,
  dice: Dice,
): Promise<string | undefined> {
  for (const cuts of [[1], [1 + dice.below(9), 1 + dice.below(90), 1 + dice.below(3)]]) {
    const cut = await engine.run(input, cuts);
    if (cut.output !== whole.output || cut.effects.join("\n") !== whole.effects.join("\n"))
      return `cut into ${cuts}: ${JSON.stringify(cut)}, whole: ${JSON.stringify(whole)}`;
  }
  const length = dice.below(input.length + 1);
  const part = await engine.run(input.slice(0, length), [Math.max(1, length)]);
  if (!whole.output.startsWith(part.output) || !startsWith(whole.effects, part.effects))
    return `the first ${length} bytes alone: ${JSON.stringify(part)}, with the rest: ${JSON.stringify(whole)}`;
  return undefined;
}

/** The shortest input found that still has a problem. */
async function shortened(engine: Engine, input: string): Promise<string> {
  let best = input;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < best.length; ) {
      const shorter = put(best, at, size, "");
      if ((await problemOf(engine, shorter)) !== undefined) best = shorter;
      else at += size;
    }
  return best;
}

/** Fuzzes for some seconds, `more` inputs at the least beside the corpus, or until there is a finding. */
export async function fuzz(engine: Engine, seed: number, seconds: number, more = 0): Promise<Result> {
  const dice = new Dice(seed);
  const corpus = [...engine.corpus];
  const kinds = new Set<string>();
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1000;
  let executions = 0;
  while (passed() < seconds || executions < engine.corpus.length + more) {
    const input =
      executions < engine.corpus.length ? (engine.corpus[executions] ?? "") : mutated(dice, engine, corpus);
    executions++;
    const { problem, kind } = await judge(engine, input, dice);
    if (problem !== undefined) {
      const least = (await problemOf(engine, input)) === undefined ? input : await shortened(engine, input);
      const finding = {
        engine: engine.name,
        seed,
        input: least,
        problem: (await problemOf(engine, least)) ?? problem,
      };
      return { executions, seconds: passed(), kinds: kinds.size, finding };
    }
    if (kind !== undefined && !kinds.has(kind)) {
      kinds.add(kind);
      if (executions > engine.corpus.length) corpus.push(input);
    }
  }
  return { executions, seconds: passed(), kinds: kinds.size, finding: undefined };
}
