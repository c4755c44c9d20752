/**
 * The warm way of a server that stays into the queue: one `qmail-queue --resident` for all its sessions, started when
 * the first message comes. If it dies, what it had is a temporary failure, and the next message starts another.
 */
import { statSync } from "node:fs";
import { BadNetstring, NetstringReader } from "../bytes/netstring.ts";
import { isSystemError } from "../exit.ts";
import { isThisExecutable } from "../sys/exec.ts";
import { inHome, qmailHome } from "../sys/home.ts";
import { type Partner, startPartner } from "../sys/partner.ts";
import { answerLimit, encodeRequest, greeting, type Request, verdictIn } from "./resident-words.ts";
import type { Verdict } from "./verdict.ts";

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
    const partner = await this.#connected();
    return await partner?.ask(request);
  }

  async #connected(): Promise<Connected | undefined> {
    if (this.#partner === "never") return undefined;
    if (this.#partner !== undefined) {
      const partner = await this.#partner;
      if (partner?.alive === true) return partner;
    }
    if (performance.now() < this.#retryAt) return undefined;
    if (this.#partner === undefined && !mayBeOurs()) {
      this.#partner = "never";
      return undefined;
    }
    this.#retryAt = performance.now() + recovery;
    const partner = connect();
    this.#partner = partner;
    return await partner;
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

/** Starts one; undefined if it cannot be started, or does not say that it is ours. */
async function connect(): Promise<Connected | undefined> {
  let partner: Partner;
  try {
    partner = startPartner({ command: ["bin/qmail-queue", "--resident"], directory: qmailHome() });
  } catch (failure) {
    if (isSystemError(failure)) return undefined;
    throw failure;
  }
  const connected = new Connected(partner);
  const timer = setTimeout(() => connected.end(), introduction);
  const known = await connected.introduced;
  clearTimeout(timer);
  return known ? connected : undefined;
}

/** A running one. */
class Connected {
  readonly #partner: Partner;
  readonly #waiting: Answered[] = [];
  readonly #introduction = Promise.withResolvers<boolean>();
  #introduced = false;
  alive = true;

  constructor(partner: Partner) {
    this.#partner = partner;
    void this.#listen();
  }

  /** Whether it is what it should be. */
  get introduced(): Promise<boolean> {
    return this.#introduction.promise;
  }

  ask(request: Request): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    this.#waiting.push(resolve);
    this.#partner.write(encodeRequest(request));
    return promise;
  }

  /** Nothing more is asked. */
  end(): void {
    this.alive = false;
    this.#introduction.resolve(false);
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
      this.#introduction.resolve(this.#introduced);
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
