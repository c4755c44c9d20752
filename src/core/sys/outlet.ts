/** Writing to a pipe that somebody else reads at their own pace, without holding the event loop up. */
import { closeSync } from "node:fs";

export class Outlet {
  readonly #fd: number;
  #sink: Bun.FileSink | undefined;

  /** Takes the descriptor over. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Resolves when the kernel has all bytes; then they may be changed again. Rejects with EPIPE if nobody reads any more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#sink ??= Bun.file(this.#fd).writer({ highWaterMark: 1 });
    await this.#sink.write(bytes);
    await this.#sink.flush();
  }

  /** Once, after all that was written. */
  async close(): Promise<void> {
    try {
      await this.#sink?.end();
    } finally {
      closeSync(this.#fd); // The runtime has a copy of its own.
    }
  }
}
