/** The messages of deliveries under way: one that goes to many recipients is opened and looked at once for all of them. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { attempt, DeliveryTrouble } from "./trouble.ts";

const trouble = {
  open: "Zqmail-spawn unable to open message. (#4.3.0)\n",
  stat: "Zqmail-spawn unable to fstat message. (#4.3.0)\n",
  type: "ZSorry, message has wrong type. (#4.3.5)\n",
  owner: "ZSorry, message has wrong owner. (#4.3.5)\n",
} as const;

/** One delivery's message. */
export interface Message {
  /** Its size in bytes. */
  readonly size: number;
  /** A descriptor that others have, too: to be read by position only. */
  readonly shared: number;
  /** A descriptor at the beginning of the message, whose offset is this delivery's alone. */
  own: () => number;
  /** The delivery is over: closes what it had. */
  close: () => void;
}

interface Open {
  fd: number;
  size: number;
  /** Deliveries that have it. */
  users: number;
  /** Somebody has its offset. */
  taken: boolean;
}

export class OpenMessages {
  /** Whom the queue, and so every message, belongs to: qmailq, or the owner of a private home. */
  readonly #owner: number;
  /** By name. As long as a delivery is under way, qmail-send leaves its message where it is. */
  readonly #open = new Map<string, Open>();

  constructor(owner: number) {
    this.#owner = owner;
  }

  /** Throws DeliveryTrouble. */
  open(name: string): Message {
    const open = this.#open.get(name) ?? { ...this.#opened(name), users: 0, taken: false };
    open.users++;
    this.#open.set(name, open);
    let own: number | undefined;
    return {
      size: open.size,
      shared: open.fd,
      own: () => {
        own ??= open.taken ? this.#opened(name).fd : open.fd;
        open.taken = true;
        return own;
      },
      close: () => {
        if (own !== undefined && own !== open.fd) closeSync(own);
        if (--open.users > 0) return;
        this.#open.delete(name);
        closeSync(open.fd);
      },
    };
  }

  /** Opens a message, whose owner has to be trusted: it is a regular file of the queue's user. */
  #opened(name: string): { fd: number; size: number } {
    const fd = attempt(trouble.open, () => openSync(name, constants.O_RDONLY | constants.O_NONBLOCK));
    try {
      const { size, uid } = attempt(trouble.stat, () => regular(fd));
      if (uid !== this.#owner) throw new DeliveryTrouble(trouble.owner);
      return { fd, size };
    } catch (failure) {
      closeSync(fd);
      throw failure;
    }
  }
}

function regular(fd: number) {
  const status = fstatSync(fd);
  if (!status.isFile()) throw new DeliveryTrouble(trouble.type);
  return status;
}
