/** `qmail top`: a mail system at work, drawn anew again and again. */
import { homeLog } from "../../core/cli/log/source.ts";
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { Screen } from "../../core/cli/screen.ts";
import { durationShown } from "../../core/cli/shown.ts";
import { LiveLog, readState } from "../../core/cli/status/state.ts";
import { type Picture, picture } from "../../core/cli/status/top.ts";
import { refuse } from "../../core/cli/trouble.ts";
import { colours, say, useHome } from "./say.ts";

const defaultSeconds = 2;
const plain = { rows: 24, columns: 80 } as const;
const destinations = 100;
const historyKept = 500;

/** A look at a large queue takes long; so much of the time, at most, goes into looking. */
const share = 5;

export const topCommand: CommandRow = {
  usage: "top",
  summary: "watch a mail system at work; without a terminal, one picture",
  group: "Looking:",
  options: [
    homeOption,
    ["--log <file>", "log for rates and deliveries under way (default: the home's, if there is one)"],
    ["--every <seconds>", `seconds from picture to picture (default: ${defaultSeconds})`],
  ],
  examples: ["qmail top", "qmail top --every 10 --log /var/log/qmail/current"],
  run: watch,
};

async function watch(given: Given): Promise<number> {
  useHome(given);
  const seconds = secondsOf(given);
  const path = textOf(given, "log") ?? homeLog()?.at(-1);
  const view = new View(path === undefined ? undefined : new LiveLog(path), seconds);
  if (process.stdout.isTTY !== true) {
    for (const line of picture(view.look(""), colours, plain.rows, plain.columns)) say(line.trimEnd());
    return 0;
  }
  // A failure of the first look is told on the terminal as it was.
  let current = view.look(keys);
  const screen = new Screen();
  screen.open();
  try {
    for (let next = Date.now(); ; ) {
      const { rows, columns } = screen.size;
      screen.draw(picture(current, colours, rows, columns));
      const why = await screen.wait(Math.max(0, next - Date.now()));
      if (why === "stopped" || (typeof why === "object" && /[qQ]/.test(why.key))) return 0;
      if (why === "resized" || (typeof why === "object" && why.key !== " ")) continue;
      const start = Date.now();
      current = view.look(keys);
      next = start + Math.max(seconds * 1000, (Date.now() - start) * share);
    }
  } finally {
    screen.close();
  }
}

const keys = "q quit   space look now";

function secondsOf(given: Given): number {
  const text = textOf(given, "every") ?? String(defaultSeconds);
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds >= 0.1 && seconds <= 86400) return seconds;
  throw refuse(`--every takes a number of seconds from 0.1 to 86400, not "${text}"`);
}

/** Looks, and remembers what it saw before. */
class View {
  readonly #log: LiveLog | undefined;
  readonly #step: number;
  readonly #messages: number[] = [];
  #looked = false;

  constructor(log: LiveLog | undefined, seconds: number) {
    this.#log = log;
    this.#step = Math.max(1, Math.round(seconds));
  }

  look(keys: string): Picture {
    const now = Date.now() / 1000;
    this.#log?.read(this.#looked ? now : undefined);
    this.#looked = true;
    const state = readState(now, destinations, this.#log);
    this.#messages.push(state.queue.messages + state.queue.unprocessed);
    if (this.#messages.length > historyKept) this.#messages.shift();
    const log = this.#log;
    if (log === undefined)
      return { state, underWay: undefined, history: this.#messages, historyName: "messages", keys };
    // Whole steps, or the bars would dance.
    const end = Math.floor(now / this.#step) * this.#step;
    const history = log.rates.series("success", end, historyKept, this.#step);
    return {
      state,
      underWay: log.underWay(),
      history,
      historyName: `success in ${durationShown(this.#step)}`,
      keys,
    };
  }
}
