/**
 * Turns at flushing, for processes that write to one file system. What is complete before a flush begins is durable
 * when it ends, whoever's process makes it. So they count flushes in four words of shared memory, and one at a time
 * flushes for all: who waits meanwhile finds, when that flush has ended, either that it began late enough for him, or
 * that the turn is his. By themselves they would wait for each other as well, in the file system's journal, and each
 * flush would serve one of them.
 *
 * The turn is good manners and no lock: nothing is wrong if two flush at once. So who is stopped or killed in his turn
 * holds the others up once, for as long as `patience`, and then the turn is taken from him.
 *
 * When a flush has ended, those whom it served go on to their next step, in every process at about the same time, and
 * each step ends with the next barrier. Without a moment's pause the first one there would flush for itself, and all the
 * others would wait for two flushes instead of one. So nobody begins right after another's flush; after one's own there
 * is nobody else to wait for.
 *
 * Once any flush has failed, nobody here relies on another's any more: each open directory is told of a failure once,
 * and it may have been the other's that was told of ours (syncfs(2)).
 *
 * No I/O and no clock: both are passed in.
 */

/** How long, in milliseconds, somebody else's flush is waited for. */
const patience = 200;

/** How long, in milliseconds, a flush waits after somebody else's has ended, for those whom that one served. */
const gathering = 1;

/** Which word is what: flushes that have begun, the last one that ended well, how many failed, whose turn it is. */
const [begun, ended, failed, turn] = [0, 1, 2, 3];

/** How many words there are. */
export const turnWords = 4;

export interface TurnWaits {
  /** Returns when a word may have another value than this one, at the latest after so many milliseconds. */
  change: (word: number, value: number, milliseconds: number) => void;
  /** Wakes everybody who waits for a word. */
  wake: (word: number) => void;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
}

export class FlushTurns {
  readonly #words: Int32Array;
  readonly #waits: TurnWaits;
  /** Not zero, and nobody else's. */
  readonly #name: number;
  readonly #failures: number;
  /** When the last flush of somebody else ended that we waited for or that served us. */
  #served = Number.NEGATIVE_INFINITY;

  /** `name`: what this process is called among the others, not zero. */
  constructor(words: Int32Array, name: number, waits: TurnWaits) {
    this.#words = words;
    this.#name = name;
    this.#waits = waits;
    this.#failures = Atomics.load(words, failed);
  }

  /** Returns when everything that was complete at this moment (momentOf) is durable; throws what `flush` throws. */
  flush(moment: number, flush: () => void): void {
    if (this.#awaitTurn(moment)) return;
    this.#awaitCompany();
    // Every number is one flush's, also of those that take place at the same time.
    const mine = Atomics.add(this.#words, begun, 1) + 1;
    try {
      flush();
      this.#raise(mine | 0);
    } catch (failure) {
      Atomics.add(this.#words, failed, 1);
      throw failure;
    } finally {
      if (Atomics.compareExchange(this.#words, turn, this.#name, 0) === this.#name) this.#waits.wake(turn);
    }
  }

  /** True if somebody else has made it durable meanwhile; false if it is our turn. */
  #awaitTurn(moment: number): boolean {
    const end = this.#waits.now() + patience;
    for (;;) {
      if (this.#covers(moment)) {
        this.#served = this.#waits.now();
        return true;
      }
      const holder = Atomics.compareExchange(this.#words, turn, 0, this.#name);
      if (holder === 0) return false;
      const left = end - this.#waits.now();
      if (left <= 0) {
        Atomics.compareExchange(this.#words, turn, holder, this.#name);
        return false;
      }
      this.#waits.change(turn, holder, left);
      this.#served = this.#waits.now();
    }
  }

  /** Those whom the other's last flush served have their next step to take, and come back for a flush together. */
  #awaitCompany(): void {
    const left = this.#served + gathering - this.#waits.now();
    // After a failure everybody flushes for himself. Nothing else changes this word.
    if (left > 0 && Atomics.load(this.#words, failed) === this.#failures)
      this.#waits.change(failed, this.#failures, left);
  }

  /** Whether a flush that began after this moment has ended well, and none has failed since we came. */
  #covers(moment: number): boolean {
    const words = this.#words;
    return isLater(Atomics.load(words, ended), moment) && Atomics.load(words, failed) === this.#failures;
  }

  #raise(mine: number): void {
    for (;;) {
      const known = Atomics.load(this.#words, ended);
      if (!isLater(mine, known)) return;
      if (Atomics.compareExchange(this.#words, ended, known, mine) === known) return;
    }
  }
}

/** The present moment, for flush(): what is complete now is served by every flush that begins later. */
export function momentOf(words: Int32Array): number {
  return Atomics.load(words, begun);
}

/** The words run over, and go on: after 2^31 flushes they count from below. */
const isLater = (one: number, other: number): boolean => ((one - other) | 0) > 0;
