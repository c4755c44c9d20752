/** The terminal as a screen of its own, for a program that draws on all of it; whatever happens, it is given back. */
import { isSystemError } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";

const codes = {
  enter: "\x1b[?1049h\x1b[?25l",
  leave: "\x1b[?25h\x1b[?1049l",
  /** A terminal that knows it shows a picture only when it is complete. */
  begin: "\x1b[?2026h\x1b[H",
  end: "\x1b[J\x1b[?2026l",
} as const;

/** What wakes a program that waits. */
export type Wake = { key: string } | "resized" | "stopped" | "time";

/** Ctrl-C and Ctrl-Z, which are only keys in raw mode. */
const stopKey = "\x03";
const suspendKey = "\x1a";

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export class Screen {
  #wake: ((why: Wake) => void) | undefined;
  /** What came while nobody waited. */
  readonly #early: Wake[] = [];
  readonly #stop = (): void => this.#happened("stopped");
  readonly #resize = (): void => this.#happened("resized");
  readonly #suspend = (): void => this.#pause();
  readonly #continue = (): void => {
    this.#take();
    this.#happened("resized");
  };
  readonly #input = (bytes: Buffer): void => {
    for (const key of bytes.toString("latin1"))
      if (key === suspendKey) this.#pause();
      else this.#happened(key === stopKey ? "stopped" : { key });
  };
  #raw = false;
  #taken = false;

  /** Rows and columns now. */
  get size(): { rows: number; columns: number } {
    return { rows: process.stdout.rows || 24, columns: process.stdout.columns || 80 };
  }

  /** Takes the terminal; close() gives it back. */
  open(): void {
    for (const signal of stopSignals) process.on(signal, this.#stop);
    process.on("SIGTSTP", this.#suspend);
    process.on("SIGCONT", this.#continue);
    process.stdout.on("resize", this.#resize);
    if (process.stdin.isTTY) {
      process.stdin.on("data", this.#input);
      // A terminal that is gone says so here; the next picture finds out, too.
      process.stdin.on("error", this.#stop);
      process.stdin.on("end", this.#stop);
    }
    this.#take();
  }

  close(): void {
    for (const signal of stopSignals) process.off(signal, this.#stop);
    process.off("SIGTSTP", this.#suspend);
    process.off("SIGCONT", this.#continue);
    process.stdout.off("resize", this.#resize);
    process.stdin.off("data", this.#input);
    this.#give();
    process.stdin.pause();
  }

  /** Shows these lines, each no wider than the terminal, in the place of what was there. */
  draw(lines: readonly string[]): void {
    // The time for a picture can come before the signal that says that we go on.
    if (!this.#taken) this.#take();
    this.#write(codes.begin + lines.map((line) => `${line}\x1b[K`).join("\r\n") + codes.end);
  }

  /** Waits for something to happen, no longer than that. */
  wait(milliseconds: number): Promise<Wake> {
    const early = this.#early.shift();
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.("time"), milliseconds);
      this.#wake = (why) => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(why);
      };
    });
  }

  #happened(why: Wake): void {
    if (this.#wake === undefined) this.#early.push(why);
    else this.#wake(why);
  }

  #take(): void {
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.resume();
      this.#raw = true;
    }
    this.#taken = true;
    this.#write(codes.enter);
  }

  #give(): void {
    this.#taken = false;
    this.#write(codes.leave);
    if (this.#raw) process.stdin.setRawMode(false);
    this.#raw = false;
  }

  /** The shell gets its terminal back, and we go on when it lets us. */
  #pause(): void {
    this.#give();
    process.kill(process.pid, "SIGSTOP");
  }

  #write(text: string): void {
    try {
      writeAll(1, Buffer.from(text));
    } catch (failure) {
      // The terminal is gone.
      if (!isSystemError(failure)) throw failure;
      this.#happened("stopped");
    }
  }
}
