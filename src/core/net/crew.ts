/**
 * A server in several processes: one that serves nobody, and those that it starts, each the same program with a share of
 * the clients. It takes the addresses, gives up what root may do, and hands the sockets on.
 *
 * Each process has a socket of its own on each address, and the kernel gives every client to one of them, by a hash
 * (SO_REUSEPORT). Of one socket for all, whoever wakes first takes whoever waits: of 100 clients that came one by one and
 * stayed, four processes had 46, 36, 17 and 1; by the hash 29, 26, 25 and 20, and nobody wakes in vain. What that is known
 * for, that clients are lost with a process, does not happen here: the first process has the sockets, too, and who waits at
 * one is served by the next process. Where processes keep dying nobody has to wait for the next: until it comes, its
 * sockets do not listen. A socket that somebody else made is one for all.
 */
import { closeSync } from "node:fs";
import { isSystemError, temporary } from "../exit.ts";
import { inheritedSocket, listenTogether, startListening } from "../sys/accept.ts";
import { localEndpoint } from "../sys/endpoints.ts";
import { errorText } from "../sys/errors.ts";
import { thisProgram } from "../sys/exec.ts";
import { arrivals } from "../sys/input.ts";
import { moveAbove } from "../sys/libc.ts";
import { start } from "../sys/spawn.ts";
import { firstDescriptor, type ListenOptions, type Place } from "./listen-options.ts";
import { say, showPlace, take } from "./listen-words.ts";
import { orders, Seat } from "./seat.ts";

/** A place, and its sockets: one for each process, or one that all share. */
interface Held {
  sockets: readonly number[];
  shared: boolean;
}

export class Crew {
  readonly #options: ListenOptions;
  readonly #held: Held[] = [];
  readonly #seats: Seat[] = [];

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  /** Takes all addresses, or fails. From now on clients may come, and wait. */
  open(): void {
    const { program, places } = this.#options;
    for (const place of places) this.#held.push(take(program, place, () => this.#hold(place)));
  }

  /** Starts the processes. */
  admit(): void {
    const { program, processes } = this.#options;
    try {
      for (let number = 0; number < processes; number++) this.#seats.push(this.#seat(number));
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      throw temporary(`${program}: fatal: unable to start a process: ${errorText(failure.code)}\n`);
    }
    for (const { sockets } of this.#held)
      say(program, `status: listening on ${showPlace(localEndpoint(sockets[0] ?? -1))}`);
  }

  /** No new clients; what is under way may end. */
  async drain(): Promise<void> {
    for (const seat of this.#seats) seat.tell("drain");
    for (const { sockets } of this.#held) for (const socket of sockets) closeSync(socket);
    await Promise.all(this.#seats.map(({ empty }) => empty));
  }

  cut(): void {
    for (const seat of this.#seats) seat.tell("cut");
  }

  #hold(place: Place): Held {
    const { backlog, processes } = this.#options;
    if ("descriptor" in place) {
      const socket = inheritedSocket(place.descriptor, this.#least);
      startListening(socket, backlog);
      return { sockets: [socket], shared: true };
    }
    const sockets = listenTogether(place, backlog, processes);
    return { sockets: sockets.map((socket) => moveAbove(socket, this.#least)), shared: false };
  }

  #seat(number: number): Seat {
    const { program, words } = this.#options;
    const sockets = this.#held.map(({ sockets, shared }) => sockets[shared ? 0 : number] ?? -1);
    return new Seat({
      sockets: sockets.filter((_, index) => this.#held[index]?.shared === false),
      start: (line) =>
        start({
          ...thisProgram(program, [Buffer.from(`--share=${number}`), ...words]),
          descriptors: [0, 1, 2, ...sockets, line],
        }),
      least: this.#least,
      say: (text) => say(program, text),
    });
  }

  /** No descriptor that is handed on has the number of another that the process is to find it under. */
  get #least(): number {
    return firstDescriptor + this.#options.places.length + 1;
  }
}

/** In one of the processes: does what the first one says, and drains when that one is gone. */
export async function obey(
  line: number,
  does: Readonly<Record<keyof typeof orders, () => void>>,
): Promise<void> {
  // What is executed from here does not get it.
  for await (const piece of arrivals(moveAbove(line, line + 1)))
    for (const order of ["drain", "cut"] as const)
      if (Buffer.from(piece).includes(orders[order])) does[order]();
  does.drain();
}
