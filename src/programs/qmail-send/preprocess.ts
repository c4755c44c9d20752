/**
 * Preprocessing (INTERNALS, 4), from S4 to S5: the recipients of a message in todo are written into info, local and
 * remote; when those are durable, todo/ID may go. Several messages share one barrier.
 */
import { isSystemError } from "../../core/exit.ts";
import { type Channel, channels } from "./channel.ts";
import { type Context, type Output, recipientsPath } from "./context.ts";
import { type Envelope, recordOf } from "./envelope.ts";
import { ignoring, Trouble, trying } from "./trouble.ts";

/** A message to be preprocessed. What is written of it counts as left over until it left todo. */
export interface Move {
  readonly envelope: Envelope;
  /** The message's birth, which is the time of its info file. */
  readonly birth: number;
  /** Its files are durable. */
  listed: () => void;
  /** They could not be written, for this reason. */
  failed: (why: string) => void;
}

/** Writes the lists of all, with one barrier. */
export function preprocess(context: Context, moves: readonly Move[]): void {
  const written: { move: Move; paths: readonly string[] }[] = [];
  for (const move of moves) {
    try {
      written.push({ move, paths: new Lists(context, move).write() });
    } catch (failure) {
      if (!(failure instanceof Trouble)) throw failure;
      move.failed(failure.message);
    } finally {
      move.envelope.close();
    }
  }
  if (written.length === 0) return;
  try {
    context.disk.barrier(written.flatMap(({ paths }) => paths));
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    for (const { move, paths } of written) move.failed(`trouble fsyncing ${paths[0]}`);
    return;
  }
  for (const { move } of written) move.listed();
}

/** The files of one message while they are written. */
class Lists {
  readonly #context: Context;
  readonly #move: Move;
  readonly #info: string;
  readonly #outputs: [Output | undefined, Output | undefined] = [undefined, undefined];

  constructor(context: Context, move: Move) {
    this.#context = context;
    this.#move = move;
    this.#info = context.disk.path("info", move.envelope.id);
  }

  /** Returns their paths. */
  write(): readonly string[] {
    const { disk, now } = this.#context;
    const { envelope, birth } = this.#move;
    this.#context.leftovers.add(envelope.id);
    const info = this.#createInfo();
    try {
      for (const { channel, address, done } of envelope.all()) this.#add(channel, recordOf(address, done));
      trying(`trouble writing to ${this.#info}`, () => {
        for (const sender of envelope.senders) info.write(`F${sender}\0`);
      });
    } catch (failure) {
      for (const output of [info, ...this.#outputs]) ignoring(() => output?.close());
      throw failure;
    }
    const has = channels.filter((channel) => this.#outputs[channel] !== undefined);
    this.#close([info, ...this.#outputs]);
    if (birth !== now) trying(`trouble writing to ${this.#info}`, () => disk.touch(this.#info, birth));
    return [this.#info, ...has.map((channel) => this.#path(channel))];
  }

  #createInfo(): Output {
    try {
      return trying(`unable to create ${this.#info}`, () => this.#context.disk.create(this.#info));
    } catch (failure) {
      // The log tells of a message once it has this file.
      this.#move.envelope.lines = "";
      throw failure;
    }
  }

  #path(channel: Channel): string {
    return recipientsPath(this.#context.disk, channel, this.#move.envelope.id);
  }

  #add(channel: Channel, record: string): void {
    const path = this.#path(channel);
    const output =
      this.#outputs[channel] ?? trying(`unable to create ${path}`, () => this.#context.disk.create(path));
    this.#outputs[channel] = output;
    trying(`trouble writing to ${path}`, () => output.write(record));
  }

  /** Closes all, and says which was the first that failed. */
  #close(outputs: readonly (Output | undefined)[]): void {
    const paths = [this.#info, ...channels.map((channel) => this.#path(channel))];
    let trouble: unknown;
    for (const [index, output] of outputs.entries()) {
      try {
        trying(`trouble writing to ${paths[index]}`, () => output?.close());
      } catch (failure) {
        trouble ??= failure;
      }
    }
    if (trouble !== undefined) throw trouble;
  }
}
