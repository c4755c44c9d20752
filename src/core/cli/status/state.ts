/** A mail system at one moment: its processes, its queue, and, where there is a log, what happened lately. */
import { LogReader } from "../../log/line.ts";
import { type Rate, Rates } from "../../log/rates.ts";
import { type Delivery, Tracker } from "../../log/tracker.ts";
import { qmailHome } from "../../sys/home.ts";
import { Follower } from "../log/follow.ts";
import { LineCutter } from "../log/source.ts";
import { type Process, processesOf } from "./processes.ts";
import { type QueueState, readQueue } from "./queue.ts";

/** Of a log, so much of its end is read for the rates. */
const tail = 16 << 20;

/** The state. Times are Unix times. */
export interface State {
  home: string;
  time: number;
  processes: Process[];
  queue: QueueState;
  /** null: no log is known. */
  log: { path: string; newest: number | null; rates: Rate[] } | null;
}

/** A log that is read as it grows. */
export class LiveLog {
  readonly path: string;
  readonly rates = new Rates();
  readonly #follower: Follower;
  readonly #cutter = new LineCutter();
  readonly #reader = new LogReader(Date.now() / 1000);
  readonly #tracker = new Tracker();
  #partial: boolean;

  /** Fails (111) where it can not be opened. */
  constructor(path: string) {
    this.path = path;
    this.#follower = new Follower(path, tail);
    this.#partial = this.#follower.position > 0;
  }

  /** Reads what is new. `now`: the time of lines that have none, if they are new. */
  read(now?: number): void {
    for (const piece of this.#follower.poll()) {
      const lines = this.#cutter.push(piece);
      if (this.#partial) this.#partial = lines.shift() === undefined;
      for (const line of lines.flatMap((each) => this.#reader.push(each)))
        this.rates.add(
          this.#tracker.feed(now === undefined || line.time !== undefined ? line : { ...line, time: now }),
        );
    }
  }

  /** Deliveries that have begun and not ended, the longest first. */
  underWay(): Delivery[] {
    return [...this.#tracker.running].sort((a, b) => (a.started ?? 0) - (b.started ?? 0));
  }

  close(): void {
    this.#follower.close();
  }
}

/** Looks at the home $QMAILHOME. */
export function readState(now: number, rows: number, log: LiveLog | undefined): State {
  const home = qmailHome();
  const newest = log === undefined || log.rates.newest === 0 ? null : log.rates.newest;
  return {
    home,
    time: now,
    processes: processesOf(home),
    queue: readQueue(now, rows),
    log: log === undefined ? null : { path: log.path, newest, rates: log.rates.report(now) },
  };
}
