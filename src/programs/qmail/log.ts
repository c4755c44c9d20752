/** `qmail log`: the log of qmail-send, as it was or as it grows, all of it or one message. */
import { Follower } from "../../core/cli/log/follow.ts";
import { LineCutter, linesOf, logFiles, sizeOf, standardInput } from "../../core/cli/log/source.ts";
import { seenObject, seenText } from "../../core/cli/log/text.ts";
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { Progress } from "../../core/cli/progress.ts";
import { refuse } from "../../core/cli/trouble.ts";
import { isSystemError } from "../../core/exit.ts";
import { LogReader } from "../../core/log/line.ts";
import { Thread } from "../../core/log/thread.ts";
import { type Seen, Tracker } from "../../core/log/tracker.ts";
import { Writer } from "../../core/sys/fd.ts";
import { chooseHome, colours } from "./say.ts";

/** Of a log that is followed, so much of its end is read first, and so many lines of that are shown. */
const tail = { bytes: 1 << 18, lines: 10 };
const pollMilliseconds = 250;

export const logCommand: CommandRow = {
  usage: "log [file...]",
  summary: "show the log of qmail-send, or one message in it",
  group: "Looking:",
  options: [
    ["-f, --follow", "go on with what is added, also after the file was rotated"],
    ["--id <number>", "only the message of this number, its bounces, and what was forwarded"],
    ["--qp <number>", "only the message that this process queued"],
    ["--address <address>", "only messages from or to this address"],
    ["--json", "one JSON object a line"],
    homeOption,
  ],
  examples: [
    "qmail log /var/log/qmail/current",
    "qmail log -f --address joe@example.org log",
    "journalctl -u qmail -o json | qmail log --json",
  ],
  run: show,
};

async function show(given: Given): Promise<number> {
  chooseHome(given);
  const files = logFiles(given.names);
  const wanted = { id: textOf(given, "id"), qp: textOf(given, "qp"), address: textOf(given, "address") };
  for (const name of ["id", "qp"] as const)
    if (!/^\d*$/.test(wanted[name] ?? "")) throw refuse(`--${name} takes a number, not "${wanted[name]}"`);
  const all = Object.values(wanted).every((value) => value === undefined);
  const view = new View(given.options.json === true, all ? undefined : new Thread(wanted));
  try {
    const last = files.at(-1);
    if (given.options.follow === true && last !== undefined && last !== standardInput)
      await follow(files, last, view, all);
    else await showAll(files, view);
  } catch (failure) {
    // Who reads has seen enough.
    if (!isSystemError(failure, "EPIPE")) throw failure;
  }
  return 0;
}

/** From lines to what is shown. */
class View {
  readonly #reader = new LogReader(Date.now() / 1000);
  readonly #tracker = new Tracker();
  readonly #out = new Writer(1);
  readonly #json: boolean;
  readonly #thread: Thread | undefined;

  constructor(json: boolean, thread: Thread | undefined) {
    this.#json = json;
    this.#thread = thread;
  }

  /** What these lines show; the end of the log completes the last. */
  read(lines: readonly string[], end = false): Seen[] {
    const whole = lines.flatMap((line) => this.#reader.push(line));
    if (end) whole.push(...this.#reader.end());
    const seen = whole.map((line) => this.#tracker.feed(line));
    return this.#thread === undefined ? seen : seen.flatMap((each) => this.#thread?.feed(each) ?? []);
  }

  print(seen: readonly Seen[]): void {
    for (const each of seen) {
      const text = this.#json ? JSON.stringify(seenObject(each)) : seenText(each, colours);
      this.#out.write(Buffer.from(`${text}\n`));
    }
  }

  flush(): void {
    this.#out.flush();
  }
}

async function showAll(files: readonly string[], view: View): Promise<void> {
  // A terminal shows the lines themselves; what goes elsewhere may take long.
  const progress = new Progress(
    sizeOf(files),
    process.stdout.isTTY ? { write: () => undefined } : process.stderr,
  );
  for await (const lines of linesOf(files, (bytes) => progress.add(bytes))) {
    view.print(view.read(lines));
    // From a pipe, lines come when they come.
    if (files.includes(standardInput)) view.flush();
  }
  progress.end();
  view.print(view.read([], true));
  view.flush();
}

/** Ends with SIGINT or SIGTERM, or when nobody reads any more. */
async function follow(files: readonly string[], last: string, view: View, all: boolean): Promise<void> {
  const cutter = new LineCutter();
  if (!all) for await (const lines of linesOf(files.slice(0, -1))) view.print(view.read(lines));
  const follower = new Follower(last, all ? tail.bytes : undefined);
  const inside = follower.position > 0;
  const begun = [...follower.poll()].flatMap((piece) => cutter.push(piece));
  // In the middle of a file the first line is only the end of one.
  const seen = view.read(inside ? begun.slice(1) : begun);
  view.print(all ? seen.slice(-tail.lines) : seen);
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  while (!stopped) {
    for (const piece of follower.poll()) view.print(view.read(cutter.push(piece)));
    view.flush();
    await new Promise((resolve) => setTimeout(resolve, pollMilliseconds));
  }
  follower.close();
}
