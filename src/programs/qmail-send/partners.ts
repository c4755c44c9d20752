/** The descriptors to and from the spawners and qmail-clean. */
import { writeSync } from "node:fs";
import { isSystemError } from "../../core/exit.ts";
import { setNonBlocking } from "../../core/sys/libc.ts";
import type { SpawnerPort } from "./context.ts";

/** Milliseconds after which a full pipe is tried again; a report, which a spawner sends as it goes on, is no sign of room. */
const retryPause = 20;

/**
 * Commands to a spawner, gathered while events are handled. It may be busy writing reports to us, so we never wait for
 * it: what its pipe has no room for stays here, and until it is gone no other delivery is started.
 */
export class CommandPipe implements SpawnerPort {
  readonly #fd: number;
  readonly #lost: () => void;
  readonly #drained: () => void;
  #commands = "";
  /** What the pipe had no room for. */
  #waiting: Buffer = Buffer.alloc(0);

  /** `lost`: nobody reads any more. `drained`: ready() is true again. */
  constructor(fd: number, lost: () => void, drained: () => void) {
    this.#fd = fd;
    this.#lost = lost;
    this.#drained = drained;
    try {
      setNonBlocking(fd);
    } catch (failure) {
      // Without it we might wait for each other for ever.
      if (!isSystemError(failure)) throw failure;
      lost();
    }
  }

  ready(): boolean {
    return this.#waiting.length === 0;
  }

  send(command: string): void {
    this.#commands += command;
  }

  /** Sends what was gathered on its way. */
  flush(): void {
    if (this.#commands === "") return;
    const commands = Buffer.from(this.#commands, "latin1");
    this.#commands = "";
    const wasReady = this.ready();
    this.#waiting = wasReady ? commands : Buffer.concat([this.#waiting, commands]);
    if (wasReady) this.#write();
  }

  #write(): void {
    try {
      while (this.#waiting.length > 0)
        this.#waiting = this.#waiting.subarray(writeSync(this.#fd, this.#waiting));
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      if (failure.code === "EPIPE") this.#lost();
      else setTimeout(() => this.#writeLate(), retryPause);
    }
  }

  #writeLate(): void {
    this.#write();
    if (this.ready()) this.#drained();
  }
}
