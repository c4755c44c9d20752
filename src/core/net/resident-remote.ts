/** Remote deliveries of a program that has many at a time. */

import { tryLockExclusive } from "../sys/lock.ts";
import { connectLine } from "../sys/network-line.ts";
import { StreamLine } from "../sys/stream-line.ts";
import type { RecordType } from "../wire/dns.ts";
import { KeptSessions } from "./kept-sessions.ts";
import { readerFromStart } from "./message.ts";
import { deliverRemotely, type Means } from "./remote-delivery.ts";
import { type Finding, Resolver, systemSettings } from "./resolver.ts";

/** How often to look whether somebody else's lock is gone, in milliseconds. */
const lockPause = 10;

/** One delivery; `message` is the descriptor of a file. */
export interface RemoteDelivery {
  message: number;
  host: Buffer;
  sender: Buffer;
  recipient: Buffer;
}

export class ResidentRemote {
  readonly #kept = new KeptSessions();
  /** Questions under way: many deliveries to one host need one answer. */
  readonly #asked = new Map<string, Promise<Finding>>();
  readonly #means: Means<StreamLine> = {
    names: () => ({ lookUp: (name, type) => this.#lookUp(name, type) }),
    connect: StreamLine.connect,
    timeouts: () => ({ salt: crypto.getRandomValues(new Uint8Array(1))[0] ?? 0, lock: takeLock }),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    kept: this.#kept,
  };

  /** What qmail-remote would print. */
  deliver({ message, host, sender, recipient }: RemoteDelivery): Promise<Buffer> {
    const request = { host, sender, recipients: [recipient], message: () => readerFromStart(message) };
    return deliverRemotely(request, this.#means);
  }

  /** Takes leave of the hosts that wait for more. */
  end(): void {
    this.#kept.end();
  }

  #lookUp(name: string, type: RecordType): Promise<Finding> {
    const settings = systemSettings();
    const key = JSON.stringify([name, type, settings.caches]);
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const asking = new Resolver(settings, connectLine)
      .lookUp(name, type)
      .finally(() => this.#asked.delete(key));
    this.#asked.set(key, asking);
    return asking;
  }
}

/** Waits for the lock without holding anybody else up. */
async function takeLock(table: number): Promise<void> {
  while (!tryLockExclusive(table)) await new Promise((resolve) => setTimeout(resolve, lockPause));
}
