/**
 * Preprocessing (INTERNALS, 4): what stands in todo is routed into info, local and remote; when those are durable,
 * qmail-clean removes intd and todo, and the message is ready. A burst is worked off in batches that share one
 * barrier. Lines of the log wait for their message's turn, so that its lines always stand in one order.
 */
import { isSystemError, type SystemError } from "../../core/exit.ts";
import { type Channel, channels } from "./channel.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, helpPause, type Output, type Records, recipientsPath } from "./context.ts";
import { logSafe } from "./log.ts";

/** Seconds after which todo is looked at even if nobody pulls the trigger. */
const interval = 1500;

/** Messages that share a barrier. */
const batchLimit = 64;

/** A message whose files are written. */
interface Prepared {
  id: bigint;
  /** Its lines of the log. */
  lines: string;
  has: readonly boolean[];
  paths: readonly string[];
}

/** Why a message could not be preprocessed, as the log tells it. */
class Trouble extends Error {}

/** Looks for new messages and makes them ready. */
export class Todo {
  readonly #context: Context;
  readonly #cleaner: Cleaner;
  readonly #onReady: (id: bigint) => void;
  #ids: bigint[] = [];
  #position = 0;
  #triggered = false;
  #next: number;

  /** `onReady` is called after each message that became ready, before the next one does. */
  constructor(context: Context, cleaner: Cleaner, onReady: (id: bigint) => void) {
    this.#context = context;
    this.#cleaner = cleaner;
    this.#onReady = onReady;
    this.#next = context.now;
  }

  /** Somebody pulled the trigger. */
  trigger(): void {
    this.#triggered = true;
  }

  /** Whether a message is among those that are about to be preprocessed. */
  has(id: bigint): boolean {
    return this.#ids.includes(id, this.#position);
  }

  wakeAt(): number {
    return this.#context.exiting || !this.#cleaner.ready() ? Number.POSITIVE_INFINITY : this.#next;
  }

  /** Preprocesses one batch. False: there is nothing new. */
  step(): boolean {
    if (this.#context.exiting || !this.#cleaner.ready()) return false;
    if (this.#position >= this.#ids.length && !this.#look()) return false;
    const batch = this.#ids.slice(this.#position, this.#position + batchLimit);
    this.#position += batch.length;
    if (this.#position >= this.#ids.length) this.#ids = [];
    const prepared = batch.map((id) => this.#prepare(id)).filter((message) => message !== undefined);
    if (prepared.length > 0) this.#commit(prepared);
    return true;
  }

  /** Reads the names in todo, if it is time. */
  #look(): boolean {
    const { disk, now, log } = this.#context;
    if (!this.#triggered && now < this.#next) return false;
    this.#triggered = false;
    this.#position = 0;
    try {
      // Those that qmail-clean is about to remove are ready already.
      this.#ids = disk.list("todo").filter((id) => !this.#cleaner.has(`todo/${id}`));
      this.#next = now + interval;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#ids = [];
      this.#next = now + helpPause;
      log("alert: unable to opendir todo, sleeping...\n");
    }
    return this.#ids.length > 0;
  }

  #prepare(id: bigint): Prepared | undefined {
    const message = new Preprocessing(this.#context, id);
    try {
      return message.run();
    } catch (failure) {
      if (!(failure instanceof Trouble)) throw failure;
      this.#context.log(`${message.lines}warning: ${failure.message}\n`);
      return undefined;
    } finally {
      message.close();
    }
  }

  #commit(prepared: Prepared[]): void {
    const { disk, log } = this.#context;
    try {
      disk.barrier(prepared.flatMap(({ paths }) => paths));
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      for (const { lines, paths } of prepared) log(`${lines}warning: trouble fsyncing ${paths[0]}\n`);
      return;
    }
    for (const message of prepared) this.#handOver(message);
  }

  #handOver({ id, lines, has }: Prepared): void {
    const name = `todo/${id}`;
    this.#cleaner.ask(name, (answer) => {
      const { log, schedule, now } = this.#context;
      log(lines);
      if (answer === undefined) return;
      if (answer !== "+") {
        log(`warning: qmail-clean unable to clean up ${name}\n`);
        return;
      }
      for (const channel of channels) if (has[channel]) schedule.insert(channel, id, now);
      if (!has.includes(true)) schedule.done.insert(id, now);
      this.#onReady(id);
    });
  }
}

/** One message on its way from todo to info, local and remote. */
class Preprocessing {
  lines = "";
  readonly #context: Context;
  readonly #id: bigint;
  readonly #todo: string;
  readonly #info: string;
  readonly #outputs: [Output | undefined, Output | undefined] = [undefined, undefined];
  #infoOutput: Output | undefined;
  #records: Records | undefined;
  #uid = "0";
  #pid = "0";

  constructor(context: Context, id: bigint) {
    this.#context = context;
    this.#id = id;
    this.#todo = context.disk.path("todo", id);
    this.#info = context.disk.path("info", id);
  }

  run(): Prepared {
    const { disk } = this.#context;
    const id = this.#id;
    const records = trying(`unable to open ${this.#todo}`, () => disk.open(this.#todo));
    this.#records = records;
    const size = this.#sizeOfMessage();
    this.#removeStale();
    const info = trying(`unable to create ${this.#info}`, () => disk.create(this.#info));
    this.#infoOutput = info;
    this.lines += `new msg ${id}\n`;
    for (;;) {
      const record = trying(`trouble reading ${this.#todo}`, () => records.next());
      if (record === undefined) break;
      this.#handle(record, size, info);
    }
    return this.#finish();
  }

  /** Closes whatever is still open. */
  close(): void {
    this.#records?.close();
    for (const output of [this.#infoOutput, ...this.#outputs]) ignoring(() => output?.close());
  }

  #path(channel: Channel): string {
    return recipientsPath(this.#context.disk, channel, this.#id);
  }

  /** For the log. */
  #sizeOfMessage(): number {
    const path = this.#context.disk.path("mess", this.#id);
    const status = trying(`unable to stat ${path}`, () => this.#context.disk.status(path));
    if (status === undefined) throw new Trouble(`unable to stat ${path}`);
    return status.size;
  }

  /** What a crash during an earlier try, or during the end of an earlier message of this number, left. */
  #removeStale(): void {
    const { disk } = this.#context;
    const recipients = channels.map((channel) => this.#path(channel));
    for (const path of [...recipients, this.#info, disk.path("bounce", this.#id)]) {
      trying(`unable to unlink ${path}`, () => {
        if (disk.status(path) !== undefined) disk.remove(path);
      });
    }
  }

  #handle(record: string, size: number, info: Output): void {
    const text = record.slice(1);
    switch (record[0]) {
      case "u":
        this.#uid = leadingDigits(text);
        break;
      case "p":
        this.#pid = leadingDigits(text);
        break;
      case "F":
        trying(`trouble writing to ${this.#info}`, () => info.write(`${record}\0`));
        this.lines += `info msg ${this.#id}: bytes ${size} from <${logSafe(text)}> qp ${this.#pid} uid ${this.#uid}\n`;
        break;
      case "T":
        this.#addRecipient(text);
        break;
      default:
        throw new Trouble(`unknown record type in ${this.#todo}`);
    }
  }

  #addRecipient(recipient: string): void {
    const { channel, address } = this.#context.routing.route(recipient);
    const path = this.#path(channel);
    const output =
      this.#outputs[channel] ?? trying(`unable to create ${path}`, () => this.#context.disk.create(path));
    this.#outputs[channel] = output;
    trying(`trouble writing to ${path}`, () => output.write(`T${address}\0`));
  }

  #finish(): Prepared {
    const has = channels.map((channel) => this.#outputs[channel] !== undefined);
    const paths = [
      this.#info,
      ...channels.filter((channel) => has[channel]).map((channel) => this.#path(channel)),
    ];
    trying(`trouble writing to ${this.#info}`, () => this.#infoOutput?.close());
    this.#infoOutput = undefined;
    for (const channel of channels) {
      trying(`trouble writing to ${this.#path(channel)}`, () => this.#outputs[channel]?.close());
      this.#outputs[channel] = undefined;
    }
    return { id: this.#id, lines: this.lines, has, paths };
  }
}

/** The number in front, as it would be printed; `0` without one. */
function leadingDigits(text: string): string {
  return /^0*(\d*)/.exec(text)?.[1] || "0";
}

/** Runs a step; a failed system call in it becomes Trouble with these words. */
function trying<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure)) throw new Trouble(words);
    throw failure;
  }
}

/** Runs a step whose failure adds nothing to a failure that was told already. */
function ignoring(step: () => void): SystemError | undefined {
  try {
    step();
    return undefined;
  } catch (failure) {
    if (isSystemError(failure)) return failure;
    throw failure;
  }
}
