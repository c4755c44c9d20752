/** What the main loop waits on: events ring it, and failures in their handling come out of it. */

/** A ring is kept until the next wait. */
export class Bell {
  #rung = false;
  #failure: { cause: unknown } | undefined;
  #resolve: (() => void) | undefined;

  readonly ring = (): void => {
    this.#rung = true;
    this.#resolve?.();
  };

  /** The next wait throws this. */
  readonly fail = (cause: unknown): void => {
    this.#failure ??= { cause };
    this.ring();
  };

  /** Waits for a ring, at most that long. */
  async wait(milliseconds: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#resolve = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#resolve = undefined;
    this.#rung = false;
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}
