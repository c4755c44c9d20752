/** Text on its way to a descriptor, collected while events are handled and written before the next wait. */
import { isSystemError } from "../../core/exit.ts";
import { writeAll } from "../../core/sys/fd.ts";

/** Characters are bytes. Writing waits for the reader. */
export class Outbox {
  readonly #fd: number;
  readonly #broken: () => void;
  #text = "";

  /** `broken` is called when nobody reads any more. */
  constructor(fd: number, broken: () => void) {
    this.#fd = fd;
    this.#broken = broken;
  }

  add(text: string): void {
    this.#text += text;
  }

  flush(): void {
    if (this.#text === "") return;
    const bytes = Buffer.from(this.#text, "latin1");
    this.#text = "";
    try {
      writeAll(this.#fd, bytes);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#broken();
    }
  }
}
