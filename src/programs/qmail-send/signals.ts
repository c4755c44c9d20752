/** The signals of qmail-send(8), caught from the first moment: one that comes while it starts waits until it can act. */

const known = ["SIGTERM", "SIGALRM", "SIGHUP"] as const;
export type SendSignal = (typeof known)[number];

export class Signals {
  readonly #acts = new Map<SendSignal, () => void>();
  readonly #early = new Set<SendSignal>();

  constructor() {
    for (const signal of known)
      process.on(signal, () => {
        const act = this.#acts.get(signal);
        if (act === undefined) this.#early.add(signal);
        else act();
      });
  }

  /** What a signal does from now on; at once, if it came already. */
  on(signal: SendSignal, act: () => void): void {
    this.#acts.set(signal, act);
    if (this.#early.delete(signal)) act();
  }
}
