/**
 * Numbers under which something may lie in info, local, remote or bounce that belongs to no preprocessed message: what a
 * crash left of one, or a try that failed. Nobody but qmail-send makes files there, so that under any other number there
 * is nothing, and a new message needs no look.
 */
import { channels } from "./channel.ts";
import { type QueueDisk, recipientsPath } from "./context.ts";
import { trying } from "./trouble.ts";

export class Leftovers {
  readonly #disk: QueueDisk;
  readonly #ids = new Set<bigint>();

  constructor(disk: QueueDisk) {
    this.#disk = disk;
  }

  has(id: bigint): boolean {
    return this.#ids.has(id);
  }

  add(id: bigint): void {
    this.#ids.add(id);
  }

  delete(id: bigint): void {
    this.#ids.delete(id);
  }

  /** At the start: preprocessing that was not finished, and bounces that are nobody's. Throws a SystemError. */
  findUnfinished(): void {
    const hasInfo = (id: bigint): boolean => this.#disk.status(this.#disk.path("info", id)) !== undefined;
    for (const id of this.#disk.list("todo")) if (hasInfo(id)) this.add(id);
    for (const id of this.#disk.list("bounce")) if (!hasInfo(id)) this.add(id);
  }

  /** Removes what lies under the number of a message in todo. Throws Trouble. */
  remove(id: bigint): void {
    if (!this.has(id)) return;
    const recipients = channels.map((channel) => recipientsPath(this.#disk, channel, id));
    for (const path of [...recipients, this.#disk.path("info", id), this.#disk.path("bounce", id)])
      trying(`unable to unlink ${path}`, () => {
        if (this.#disk.status(path) !== undefined) this.#disk.remove(path);
      });
    this.delete(id);
  }
}
