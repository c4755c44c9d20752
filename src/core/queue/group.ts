/**
 * Group commit: whoever waits for a barrier on one file system shares a flush with everybody else who waits. A lone
 * one waits for nobody. While a flush is under way, the next ones gather for the one behind it, since a flush promises
 * nothing about what was written after it began.
 *
 * One syncfs(2) for many files costs about as much as one fsync(2) of a file, unless other programs have much unwritten
 * data on the same disk: then mail would wait for theirs. So each way is measured: after a shared flush that seems to
 * have taken longer than its members would by themselves, the next ones are flushed one by one, and where that is indeed
 * faster, all are for a while. A disk that is slow both ways is no reason to flush more often. And who has waited much
 * longer than usual waits no more: his own files are flushed beside the flush that does not end.
 *
 * No I/O and no clock: both are passed in.
 */

/** What has to be durable: open files, and directories whose new names have to be. */
export interface Barrier {
  files: readonly number[];
  directories: readonly string[];
}

/** The two ways; both reject if anything failed. */
export interface Flush {
  /**
   * Everything on the file system that was complete at that moment, above all these files; undefined where that is not
   * to be had.
   */
  all: ((moment: number, files: readonly number[]) => Promise<void>) | undefined;
  each: (barrier: Barrier) => Promise<void>;
  /** Has the disk begin with files, for `each`; waits for nothing, and fails never. */
  begin?: (files: readonly number[]) => void;
  /** The present moment, as `all` counts them. Throws what keeps it from flushing. */
  readonly moment: number;
}

/**
 * How long, in milliseconds, members are flushed one by one where shared flushes take too long: at first, since once is
 * soon over; twice as long each time that it is found again; at most.
 */
const [firstAvoidance, longestAvoidance] = [1000, 16_000];

/** A shared flush is too slow if it takes so many times longer than one by one, and this many milliseconds at least. */
const tooManyTimes = 2;
const noticeable = 30;

/**
 * A shared flush is late after this many milliseconds, or this many times what it usually takes. The files of its members
 * are flushed then.
 */
const late = 100;
const tooLate = 3;

/** Who shared a flush is expected back within this time, in milliseconds. */
const companion = 50;

interface Waiting {
  barrier: Barrier;
  /** When it was complete. */
  moment: number;
  resolve: () => void;
  reject: (failure: unknown) => void;
}

/** Time, as far as it matters here. */
export interface Clock {
  /** Milliseconds, of a clock that only goes forward. */
  now: () => number;
  /** Calls somebody after so many milliseconds; what it returns takes that back. */
  after: (milliseconds: number, call: () => void) => () => void;
}

/** The time of the process. */
export const processClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

export class GroupCommit {
  readonly #flush: Flush;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #running = false;
  /** Milliseconds that a member takes, by itself and in a shared flush, as far as known. */
  #alone: number | undefined;
  #shared: number | undefined;
  #avoidUntil = Number.NEGATIVE_INFINITY;
  #avoidance = firstAvoidance;
  /** The last shared flush seemed slow: the next group shows how long the other way takes now. */
  #suspected = false;
  /** A shared flush failed: of what was being written meanwhile, only its own files and directories can tell. */
  #failed = false;
  /** When the last shared flush ended, and how many milliseconds one takes. */
  #sharedAt = Number.NEGATIVE_INFINITY;
  #usual: number | undefined;
  /** A shared flush is under way that was too late for its members. */
  #isStuck = false;

  constructor(flush: Flush, clock: Clock) {
    this.#flush = flush;
    this.#clock = clock;
  }

  /** Resolves when what the barrier names, as it is now, survives a power cut. Rejects if that cannot be said. */
  wait(barrier: Barrier): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    try {
      this.#waiting.push({ barrier, moment: this.#flush.moment, resolve, reject });
    } catch (failure) {
      reject(failure);
      return promise;
    }
    if (!this.#running) {
      this.#running = true;
      // Whoever comes in the same step belongs to the same group.
      queueMicrotask(() => void this.#work());
    }
    return promise;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0);
      const all = this.#mayShare(group) ? this.#flush.all : undefined;
      this.#failed = false;
      if (all === undefined) await this.#oneByOne(group);
      else await this.#together(group, all);
    }
    this.#running = false;
  }

  /**
   * One that comes alone has company all the same where there was some a moment ago: those who are served together come
   * back together, and wait for the first of them.
   */
  #mayShare(group: readonly Waiting[]): boolean {
    const now = this.#clock.now();
    const hasCompany = group.length > 1 || now - this.#sharedAt < companion;
    return hasCompany && !this.#failed && !this.#suspected && !this.#isStuck && now >= this.#avoidUntil;
  }

  async #oneByOne(group: readonly Waiting[]): Promise<void> {
    const began = this.#clock.now();
    this.#flush.begin?.(group.flatMap(({ barrier }) => barrier.files));
    const ends = group.map(({ barrier, resolve, reject }) => this.#flush.each(barrier).then(resolve, reject));
    await Promise.all(ends);
    const took = (this.#clock.now() - began) / group.length;
    this.#alone = smoothed(this.#alone, took);
    if (this.#suspected && (this.#shared ?? 0) > tooManyTimes * this.#alone) this.#avoid();
    this.#suspected = false;
  }

  async #together(group: readonly Waiting[], all: NonNullable<Flush["all"]>): Promise<void> {
    const began = this.#clock.now();
    // The last one was complete last.
    const moment = group.at(-1)?.moment ?? this.#flush.moment;
    const files = group.flatMap(({ barrier }) => barrier.files);
    const flushed = this.#share(all(moment, files), group);
    const { promise: isLate, resolve } = Promise.withResolvers<true>();
    const cancel = this.#clock.after(Math.max(late, tooLate * (this.#usual ?? 0)), () => resolve(true));
    if (await Promise.race([flushed, isLate])) return await this.#rescue(group, flushed);
    cancel();
    this.#sharedAt = this.#clock.now();
    const took = this.#sharedAt - began;
    const limit = Math.max(noticeable, tooManyTimes * (this.#alone ?? 0) * group.length);
    this.#usual = smoothed(this.#usual, took);
    this.#shared = smoothed(this.#shared, took / group.length);
    this.#suspected = took > limit;
    if (!this.#suspected) this.#avoidance = firstAvoidance;
  }

  /** What comes of a shared flush is all members', unless it is late. */
  async #share(flush: Promise<void>, group: readonly Waiting[]): Promise<false> {
    try {
      await flush;
      for (const { resolve } of group) resolve();
    } catch (failure) {
      this.#failed = true;
      // Where they are being flushed by themselves, that says it better.
      if (!this.#isStuck) for (const { reject } of group) reject(failure);
    }
    return false;
  }

  /** The members of a shared flush that is late are flushed one by one, beside it: whichever is earlier. */
  async #rescue(group: readonly Waiting[], flushed: Promise<false>): Promise<void> {
    this.#isStuck = true;
    const flush = flushed.then(() => {
      this.#isStuck = false;
      return "shared";
    });
    const one = this.#oneByOne(group).then(() => "alone");
    if ((await Promise.race([flush, one])) === "alone") this.#avoid();
    else await one;
  }

  /** No shared flush for a while. */
  #avoid(): void {
    this.#avoidUntil = this.#clock.now() + this.#avoidance;
    this.#avoidance = Math.min(2 * this.#avoidance, longestAvoidance);
    this.#shared = undefined;
  }
}

/** One that took long among many that did not is soon forgotten. */
const smoothed = (known: number | undefined, took: number): number =>
  known === undefined ? took : 0.8 * known + 0.2 * took;
