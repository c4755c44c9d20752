/**
 * The warm way of a server that stays into the queue. A server that would be exactly what the queue program is takes
 * messages in itself. Any other has one `qmail-queue --resident` for all its sessions, started when the first message
 * comes. If it dies, what it had is a temporary failure, and the next message starts another.
 */
import { statSync } from "node:fs";
import { BadNetstring, NetstringReader } from "../bytes/netstring.ts";
import { Exit, isSystemError } from "../exit.ts";
import { isThisExecutable } from "../sys/exec.ts";
import { inHome, qmailHome } from "../sys/home.ts";
import { type Partner, startPartner } from "../sys/partner.ts";
import { isOurselves } from "./ourselves.ts";
import {
  answerLimit,
  encodeRequest,
  greeting,
  isWithinLimit,
  type Request,
  verdictIn,
} from "./resident-words.ts";
import { SharedIntake } from "./shared-intake.ts";
import { reportOf, type Verdict } from "./verdict.ts";

/** How long it may take to say who it is, in milliseconds. */
const introduction = 5000;

/** After one has died, messages go other ways for so long. */
const recovery = 1000;

/** Messages that all sessions together hold in memory, in bytes; beyond that, they go other ways. */
const budget = 64 << 20;

/** Whoever was asked for a verdict and cannot give it any more. */
const crashed = "Zqq crashed (#4.3.0)";

type Answered = (verdict: Verdict) => void;

export class ResidentQueue {
  /** Undefined: none was started; `never`: the queue program is not ours. */
  #partner: Promise<Connected | undefined> | undefined | "never";
  #retryAt = Number.NEGATIVE_INFINITY;
  #held = 0;
  /** Whether no partner is needed; undefined: not known yet. */
  #alone: boolean | undefined;
  #intake: SharedIntake | undefined;

  /** Whether so many bytes more may be held; then they count until release(). */
  hold(bytes: number): boolean {
    if (this.#held + bytes > budget) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  /** Has a message taken in; undefined: not this way. */
  async submit(request: Request): Promise<Verdict | undefined> {
    // One that is too long would be the end of it, and of what all others have there.
    if (!isWithinLimit(request)) return undefined;
    this.#alone ??= isOurselves();
    if (this.#alone) return await this.#takeIn(request);
    const partner = await this.#connected();
    return await partner?.ask(request);
  }

  async #takeIn(request: Request): Promise<Verdict> {
    const { pid } = process;
    const started = Math.floor(Date.now() / 1000);
    let code: number;
    try {
      if (this.#intake?.isDead !== false) this.#intake = new SharedIntake(process.getuid?.() ?? 0);
      code = await this.#intake.take(started, request);
    } catch (failure) {
      if (!(failure instanceof Exit)) throw failure;
      code = failure.code;
    }
    return code === 0 ? { accepted: true, pid } : { accepted: false, report: reportOf(code), pid };
  }

  async #connected(): Promise<Connected | undefined> {
    if (this.#partner === "never") return undefined;
    if (this.#partner !== undefined) {
      const partner = await this.#partner;
      if (partner?.alive === true) return partner;
      // Each further one would keep its message waiting for an introduction that does not come.
      if (partner?.isStranger === true) this.#partner = "never";
      if (this.#partner === "never") return undefined;
    }
    if (performance.now() < this.#retryAt) return undefined;
    if (this.#partner === undefined && !mayBeOurs()) {
      this.#partner = "never";
      return undefined;
    }
    this.#retryAt = performance.now() + recovery;
    const partner = connect();
    this.#partner = partner;
    const connected = await partner;
    return connected?.alive === true ? connected : undefined;
  }
}

let shared: ResidentQueue | undefined;

/** The one of this process. */
export function residentQueue(): ResidentQueue {
  shared ??= new ResidentQueue();
  return shared;
}

/** Whether bin/qmail-queue can be ours: this executable, or a set-user-id program, which will say so itself. */
function mayBeOurs(): boolean {
  const path = inHome("bin/qmail-queue");
  try {
    return isThisExecutable(path) || (statSync(path).mode & 0o4000) !== 0;
  } catch (failure) {
    if (isSystemError(failure)) return false;
    throw failure;
  }
}

/** Starts one, which is not alive if it did not say that it is ours; undefined if it cannot be started. */
async function connect(): Promise<Connected | undefined> {
  let partner: Partner;
  try {
    partner = startPartner({ command: ["bin/qmail-queue", "--resident"], directory: qmailHome() });
  } catch (failure) {
    if (isSystemError(failure)) return undefined;
    throw failure;
  }
  const connected = new Connected(partner);
  const timer = setTimeout(() => connected.refuse(), introduction);
  await connected.introduced;
  clearTimeout(timer);
  return connected;
}

/** A running one. */
class Connected {
  readonly #partner: Partner;
  readonly #waiting: Answered[] = [];
  readonly #introduction = Promise.withResolvers<void>();
  #introduced = false;
  alive = true;
  /** Whether it is something else than our queue program: it was silent, or said something else. */
  isStranger = false;

  constructor(partner: Partner) {
    this.#partner = partner;
    void this.#listen();
  }

  /** Resolves when it is known whether it is what it should be. */
  get introduced(): Promise<void> {
    return this.#introduction.promise;
  }

  /** Undefined: it has ended, and was not asked. */
  async ask(request: Request): Promise<Verdict | undefined> {
    if (!this.alive) return undefined;
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    this.#waiting.push(resolve);
    this.#partner.write(encodeRequest(request));
    return await promise;
  }

  /** It did not introduce itself: nothing is ever asked. */
  refuse(): void {
    this.isStranger = true;
    this.end();
  }

  /** Nothing more is asked. */
  end(): void {
    this.alive = false;
    this.#introduction.resolve();
    this.#partner.end();
    const { pid } = this.#partner;
    for (const answer of this.#waiting.splice(0)) answer({ accepted: false, report: crashed, pid });
  }

  async #listen(): Promise<void> {
    const reader = new NetstringReader(answerLimit);
    try {
      for await (const piece of this.#partner.output)
        for (const answer of reader.feed(piece)) if (!this.#heard(answer)) throw new BadNetstring();
    } catch (failure) {
      if (!(failure instanceof BadNetstring || isSystemError(failure))) throw failure;
    } finally {
      this.end();
    }
  }

  /** False: it makes no sense. */
  #heard(answer: Buffer): boolean {
    if (!this.#introduced) {
      this.#introduced = answer.toString("latin1") === greeting;
      this.isStranger = !this.#introduced;
      this.#introduction.resolve();
      return this.#introduced;
    }
    const verdict = verdictIn(answer, this.#partner.pid);
    const answered = this.#waiting.shift();
    if (verdict === undefined || answered === undefined) {
      if (answered !== undefined) this.#waiting.unshift(answered);
      return false;
    }
    answered(verdict);
    return true;
  }
}
