/**
 * `qmail-queue --resident`: takes in messages for a server that stays, many at once, whose barriers are shared. What
 * each goes through on the disk, and in which order, is as for any message (entry.ts).
 */
import { BadNetstring, NetstringReader } from "../bytes/netstring.ts";
import { Exit, isSystemError } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";
import { Flusher } from "../sys/flusher.ts";
import { hangUp } from "../sys/hang-up.ts";
import { arrivals } from "../sys/input.ts";
import { attempt, queueExit } from "./codes.ts";
import { envelopeOf } from "./envelope.ts";
import { GroupCommit } from "./group.ts";
import { takeInWith } from "./intake.ts";
import { queueRoot, queueSplit } from "./paths.ts";
import { decodeRequest, encodeWords, greeting, type Request, requestLimit } from "./resident-words.ts";
import { pullTrigger } from "./trigger.ts";
import { reportOf } from "./verdict.ts";

const requests = 0;
const answers = 1;

/** How many messages may be under way: each has two files open. */
const most = 200;

/** And how many bytes they may have together, beside the last one. */
const mostBytes = 32 << 20;

/** How long a message may take, in milliseconds. */
const patience = 3600_000;

/**
 * Serves until descriptor 0 ends. `uid` is the real one of who called. Returns 0; 54 if a request was cut off, of
 * which nothing is left. Throws Exit 91 for what is no request, 81 where nothing can be made durable any more; messages
 * that came before are answered.
 */
export async function serveRequests(uid: number): Promise<number> {
  const flusher = attempt(queueExit.queue, () => new Flusher(placesOfEntries()));
  const resident = new Resident(uid, new GroupCommit(flusher, () => performance.now()));
  const reader = new NetstringReader(requestLimit);
  resident.say(greeting);
  try {
    for await (const piece of arrivals(requests)) {
      for (const content of reader.feed(piece)) {
        // Nothing is safe here any more: who asks will start another.
        if (flusher.isDead) throw new Exit(queueExit.bug);
        resident.begin(decodeRequest(content), content.length);
        // What came together is not taken apart by waiting.
        if (resident.isFull) await resident.room();
      }
    }
  } catch (failure) {
    if (failure instanceof BadNetstring) throw new Exit(queueExit.envelope);
    if (!isSystemError(failure)) throw failure;
  } finally {
    await resident.finish();
    flusher.close();
  }
  return reader.atBoundary ? 0 : queueExit.read;
}

/** Every directory that a message goes through on its way to todo. */
function placesOfEntries(): [string, ...string[]] {
  const root = queueRoot();
  const folders = Array.from({ length: queueSplit() }, (_, folder) => `mess/${folder}`);
  return [root, ...["pid", "intd", "todo", ...folders].map((name) => `${root}/${name}`)];
}

class Resident {
  readonly #uid: number;
  readonly #group: GroupCommit;
  #underWay = 0;
  #bytes = 0;
  #freed: (() => void) | undefined;
  /** Answers go out in the order of the requests. */
  #last: Promise<void> = Promise.resolve();
  #triggerDue = false;
  #listens = true;

  constructor(uid: number, group: GroupCommit) {
    this.#uid = uid;
    this.#group = group;
  }

  /** `size`: bytes of the request, which are held until it is answered. */
  begin(request: Request, size: number): void {
    this.#underWay++;
    this.#bytes += size;
    const answer = this.#take(request);
    const before = this.#last;
    this.#last = (async () => {
      const text = await answer;
      await before;
      this.say(text);
      this.#underWay--;
      this.#bytes -= size;
      this.#freed?.();
    })();
  }

  /** Whether there may be no more at the moment. */
  get isFull(): boolean {
    return this.#underWay >= most || this.#bytes >= mostBytes;
  }

  /** Waits until there may be one more. */
  async room(): Promise<void> {
    while (this.isFull) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#freed = resolve;
      await promise;
    }
  }

  /** Waits until all are answered, and qmail-send knows of them. */
  async finish(): Promise<void> {
    await this.#last;
    this.#pull();
  }

  /**
   * When nobody listens any more, what was begun is finished all the same. Where an answer could not be given for
   * another reason, who asked would wait for it for ever, or take the next one for it: the end tells them.
   */
  say(text: string): void {
    if (!this.#listens) return;
    try {
      writeAll(answers, encodeWords(text));
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#listens = false;
      hangUp(answers);
    }
  }

  async #take({ message, sender, recipients }: Request): Promise<string> {
    const started = Math.floor(Date.now() / 1000);
    try {
      // It would be the end of the address, and what stands behind it another record.
      if ([sender, ...recipients].some((address) => address.includes(0))) throw new Exit(queueExit.envelope);
      await takeInWith(this.#group, {
        started,
        uid: this.#uid,
        deadline: Date.now() + patience,
        message,
        envelope: [envelopeOf(sender, recipients)],
      });
    } catch (failure) {
      if (failure instanceof Exit) return reportOf(failure.code);
      // A fault nobody foresaw is this message's; the others go on.
      const fault = failure instanceof Error ? failure.stack : failure;
      writeAll(2, Buffer.from(`qmail-queue: warning: ${fault}\n`));
      return reportOf(queueExit.bug);
    }
    this.#wake();
    return `Kok ${started} qp ${process.pid}`;
  }

  /** Wakes qmail-send once for all that became durable together. */
  #wake(): void {
    if (this.#triggerDue) return;
    this.#triggerDue = true;
    setImmediate(() => this.#pull());
  }

  #pull(): void {
    if (!this.#triggerDue) return;
    this.#triggerDue = false;
    pullTrigger();
  }
}
