/** What happened outside the disk: what the world was told, and what left for other hosts. A power cut takes none of it. */

/** A message that somebody got. */
export interface Delivered {
  sender: string;
  recipient: string;
  content: Buffer;
}

export class Truth {
  /** Messages whose submission began, and those that were acknowledged. */
  readonly begun = new Set<number>();
  readonly acknowledged = new Set<number>();
  /** Messages that an operator ordered to be removed. */
  readonly removed = new Set<number>();
  /** Messages of which an operator was told that they are held, released, or over. */
  readonly held = new Set<number>();
  readonly released = new Set<number>();
  readonly over = new Set<number>();
  /** Orders whose authors pulled the trigger: from then on they are carried out, whatever happens. */
  readonly given = new Set<string>();
  /** The last order that was begun about a message, as all orders are counted: what an earlier one is told is past. */
  readonly asked = new Map<number, number>();
  /** How often each recipient was tried. */
  readonly attempts = new Map<string, number>();
  /** What other hosts took. */
  readonly remote: Delivered[] = [];
  /** Whether a repair made up the senders of messages that had lost them. */
  repaired = false;
  /** Reasons for which a recipient may get a message once more: power cuts, deaths, failed calls. */
  excuses = 0;

  copy(): Truth {
    const copy = new Truth();
    for (const name of ["begun", "acknowledged", "removed", "held", "released", "over"] as const)
      for (const number of this[name]) copy[name].add(number);
    for (const name of this.given) copy.given.add(name);
    for (const [number, order] of this.asked) copy.asked.set(number, order);
    for (const [recipient, count] of this.attempts) copy.attempts.set(recipient, count);
    copy.remote.push(...this.remote);
    copy.repaired = this.repaired;
    copy.excuses = this.excuses;
    return copy;
  }
}
