/** Waiting for new messages in a Maildir: the system says that something changed, and if it can not, time does. */
import { type FSWatcher, watch } from "node:fs";
import { isSystemError } from "../exit.ts";

/** Wakes who waits when something may have changed in a directory. */
export class Bell {
  readonly #every: number;
  readonly #watcher: FSWatcher | undefined;
  #rung = false;
  #wake: (() => void) | undefined;

  /** `every`: rings after so many milliseconds in any case. */
  constructor(directory: Buffer, every: number) {
    this.#every = every;
    this.#watcher = watcherOf(directory, () => this.ring());
  }

  /** Wakes who waits, or the next to wait. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits until it rings, or has rung since the last time. */
  async wait(): Promise<void> {
    if (!this.#rung) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, this.#every);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#rung = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}

/** Undefined where the system has no more watches to give away: then it is only time that wakes. */
function watcherOf(directory: Buffer, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, onChange);
    watcher.on("error", onChange);
    return watcher;
  } catch (failure) {
    if (isSystemError(failure) && ["ENOSPC", "EMFILE", "ENOSYS"].includes(failure.code)) return undefined;
    throw failure;
  }
}
