/** How far a long work is: on a terminal a line that is written over, elsewhere nothing. */
import { bytesShown } from "./shown.ts";

const everyMilliseconds = 200;
const patience = 500;

/** Where it is shown. */
interface Screen {
  isTTY?: boolean;
  write: (text: string) => unknown;
}

/** Progress of reading. */
export class Progress {
  readonly #stream: Screen;
  readonly #total: number | undefined;
  readonly #start = Date.now();
  #done = 0;
  #shown = 0;

  /** `total`: bytes, where that is known. */
  constructor(total: number | undefined, stream: Screen = process.stderr) {
    this.#total = total;
    this.#stream = stream;
  }

  /** So many bytes more. What is soon over shows nothing. */
  add(bytes: number): void {
    this.#done += bytes;
    const now = Date.now();
    if (this.#stream.isTTY !== true || now - this.#start < patience || now - this.#shown < everyMilliseconds)
      return;
    this.#shown = now;
    const share = this.#total
      ? `${Math.floor((this.#done / this.#total) * 100)} % of ${bytesShown(this.#total)}`
      : bytesShown(this.#done);
    this.#stream.write(`\r\x1b[Kreading the log: ${share}`);
  }

  end(): void {
    if (this.#shown > 0) this.#stream.write("\r\x1b[K");
  }
}
