/**
 * When many are to be told that their time is over: one timer for all. Whoever's end only moves away, as a client's
 * does with each answer, costs nothing: they are looked at when the first end that they had comes, and filed again.
 */

/** Someone with an end; one `Deadlines` knows them at a time. */
export interface Waiting {
  /** When their time is over, as performance.now() counts; Infinity: never. */
  readonly until: number;
  /** The slot that `Deadlines` has them in; undefined: none. Nobody else writes it. */
  slot: number | undefined;
  /** Their time is over. */
  late(): void;
}

/** How late it may be told, in milliseconds. */
const grain = 100;

/** setTimeout(3) counts milliseconds in 31 bits. */
const longest = 2 ** 31 - 1;

export class Deadlines {
  /** Whom to look at when a slot is over. Slots are counted in grains. */
  readonly #slots = new Map<number, Set<Waiting>>();
  #timer: { slot: number; handle: ReturnType<typeof setTimeout> } | undefined;

  /** Their end is `until` from now on. */
  watch(waiting: Waiting): void {
    if (waiting.until === Number.POSITIVE_INFINITY) return;
    const slot = Math.ceil(waiting.until / grain);
    if (waiting.slot !== undefined && waiting.slot <= slot) return;
    this.forget(waiting);
    waiting.slot = slot;
    const others = this.#slots.get(slot);
    if (others === undefined) this.#slots.set(slot, new Set([waiting]));
    else others.add(waiting);
    if (this.#timer === undefined || slot < this.#timer.slot) this.#setTimer(slot);
  }

  /** They have no end any more. */
  forget(waiting: Waiting): void {
    if (waiting.slot === undefined) return;
    const others = this.#slots.get(waiting.slot);
    others?.delete(waiting);
    if (others?.size === 0) this.#slots.delete(waiting.slot);
    waiting.slot = undefined;
  }

  #setTimer(slot: number): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer.handle);
    const rest = Math.min(Math.max(0, Math.ceil(slot * grain - performance.now())), longest);
    this.#timer = { slot, handle: setTimeout(() => this.#look(), rest) };
  }

  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [slot, all] of this.#slots) {
      if (slot * grain > now) continue;
      this.#slots.delete(slot);
      for (const waiting of all) {
        if (waiting.slot !== slot) continue;
        waiting.slot = undefined;
        if (waiting.until <= now) waiting.late();
        else this.watch(waiting);
      }
    }
    if (this.#slots.size > 0) this.#setTimer(Math.min(...this.#slots.keys()));
  }
}
