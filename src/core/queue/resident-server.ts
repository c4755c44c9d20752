/**
 * `qmail-queue --resident`: takes in messages for a server that stays, many at once (shared-intake.ts).
 */
import { BadNetstring, NetstringReader } from "../bytes/netstring.ts";
import { Exit, isSystemError } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";
import { hangUp } from "../sys/hang-up.ts";
import { arrivals } from "../sys/input.ts";
import { queueExit } from "./codes.ts";
import { decodeRequest, encodeWords, greeting, type Request, requestLimit } from "./resident-words.ts";
import { SharedIntake } from "./shared-intake.ts";
import { reportOf } from "./verdict.ts";

const requests = 0;
const answers = 1;

/** How many requests may be under way. */
const most = 200;

/** And how many bytes they may have together, beside the last one. */
const mostBytes = 32 << 20;

/**
 * Serves until descriptor 0 ends. `uid` is the real one of who called. Returns 0; 54 if a request was cut off, of
 * which nothing is left. Throws Exit 91 for what is no request, 81 where nothing can be made durable any more; messages
 * that came before are answered.
 */
export async function serveRequests(uid: number): Promise<number> {
  const intake = new SharedIntake(uid);
  const resident = new Resident(intake);
  const reader = new NetstringReader(requestLimit);
  resident.say(greeting);
  try {
    for await (const piece of arrivals(requests)) {
      for (const content of reader.feed(piece)) {
        // Nothing is safe here any more: who asks will start another.
        if (intake.isDead) throw new Exit(queueExit.bug);
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
    intake.close();
  }
  return reader.atBoundary ? 0 : queueExit.read;
}

class Resident {
  readonly #intake: SharedIntake;
  #underWay = 0;
  #bytes = 0;
  #freed: (() => void) | undefined;
  /** Answers go out in the order of the requests. */
  #last: Promise<void> = Promise.resolve();
  #listens = true;

  constructor(intake: SharedIntake) {
    this.#intake = intake;
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

  /** Waits until all are answered. */
  async finish(): Promise<void> {
    await this.#last;
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

  async #take(request: Request): Promise<string> {
    const started = Math.floor(Date.now() / 1000);
    const code = await this.#intake.take(started, request);
    return code === 0 ? `Kok ${started} qp ${process.pid}` : reportOf(code);
  }
}
