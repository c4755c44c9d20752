/**
 * A delivery by the instructions of a .qmail file (dot-qmail(5)): all but forwards in their order, then the forwards
 * in one message. The first failure ends it; what was delivered before stays delivered. The current directory is the
 * home; every delivery reads the message from its beginning.
 */
import { Exit, isSystemError, permanent, temporary } from "../exit.ts";
import { deliverToMaildir, MaildirDelivery, MaildirFailure, type MaildirStep } from "../maildir/deliver.ts";
import { appendToMbox, MboxFailure, type MboxStep } from "../maildir/mbox.ts";
import { Submission } from "../queue/submit.ts";
import { errorText, mayPass } from "../sys/errors.ts";
import { rewind } from "../sys/libc.ts";
import { type Child, start } from "../sys/spawn.ts";
import { dotQmailLines, findDotQmail, forwardingSender, type Instruction, type Line } from "./dotqmail.ts";
import {
  deliveryEnvironment,
  type Environment,
  type HeaderLines,
  type Recipient,
} from "./dotqmail-recipient.ts";
import { copyMessage } from "./forwarding.ts";

/** What is to be done for one recipient. */
export interface Plan {
  /** The .qmail file that applies, even if it is empty; undefined: there is none, and there need be none. */
  file: Buffer | undefined;
  /** The instructions are not that file's, but those for whoever has none. */
  fromDefault: boolean;
  text: Buffer;
  /** Nothing but forwards is allowed. */
  forwardOnly: boolean;
  lines: HeaderLines;
  /** Envelope sender of what is forwarded. */
  newSender: Buffer;
  /** For the programs and the queue program. */
  environment: Environment;
  /** Why programs are not run here; undefined where they are. */
  noPrograms?: string | undefined;
}

/**
 * Finds out what is to be done; the current directory is the recipient's home.
 * @throws Exit 100 if nobody has this address; 111 if a .qmail file can not be read or may not be trusted
 */
export function planDelivery(recipient: Recipient, lines: HeaderLines): Plan {
  const found = findDotQmail(recipient);
  const newSender = forwardingSender(recipient, recipient);
  const own = found !== undefined && found.text.length > 0;
  return {
    file: found?.name,
    fromDefault: !own,
    text: own ? found.text : recipient.defaultDelivery,
    forwardOnly: own && found.executable,
    lines,
    newSender,
    environment: deliveryEnvironment(recipient, lines, newSender, found?.matched),
  };
}

type Step = Exclude<Instruction, { kind: "list" }>;

/**
 * The lines, each as far as its instruction is allowed.
 * @throws Exit 111 when it comes to what may not be delivered
 */
export function* plannedLines(plan: Pick<Plan, "text" | "forwardOnly">): Generator<Line> {
  let { forwardOnly } = plan;
  for (const line of dotQmailLines(plan.text)) {
    const kind = line.instruction?.kind;
    if (forwardOnly && (kind === "program" || kind === "maildir" || kind === "mbox")) {
      const what = kind === "program" ? "prog" : "file";
      throw temporary(`Uh-oh: .qmail has ${what} delivery but has x bit set. (#4.7.0)\n`);
    }
    if (kind === "list") forwardOnly = true;
    yield line;
  }
}

/** The instructions, each as far as it is allowed. */
function* steps(plan: Pick<Plan, "text" | "forwardOnly">): Generator<Step> {
  for (const { instruction } of plannedLines(plan))
    if (instruction !== undefined && instruction.kind !== "list") yield instruction;
}

/** How many deliveries there were of each kind, as qmail-send logs it: files, forwards, programs. */
class Counts {
  readonly #of = { maildir: 0, mbox: 0, program: 0, forward: 0 };
  add(kind: Step["kind"]): void {
    this.#of[kind]++;
  }
  toString(): string {
    const { maildir, mbox, program, forward } = this.#of;
    return `did ${maildir + mbox}+${forward}+${program}\n`;
  }
}

/** Says what a delivery would do, a line each. */
export function describe(plan: Plan, say: (line: Buffer) => void): void {
  const counts = new Counts();
  for (const { kind, shown } of steps(plan)) {
    counts.add(kind);
    say(Buffer.concat([Buffer.from(`${kind} `), shown, Buffer.from("\n")]));
  }
  say(Buffer.from(counts.toString()));
}

/**
 * Delivers the message in the file on descriptor 0. When it returns, everything is durable or has been accepted.
 * @returns the report: what was done, and the queue program's process if there were forwards
 * @throws Exit 100 or 111 with the report
 */
export async function deliver(plan: Plan): Promise<string> {
  const counts = new Counts();
  const forwards: Buffer[] = [];
  refusePrograms(plan);
  for (const { kind, argument } of steps(plan)) {
    counts.add(kind);
    if (kind === "forward") forwards.push(argument);
    else if (kind === "maildir") toMaildir(argument, plan.lines);
    else if (kind === "mbox") toMbox(argument, plan.lines);
    else if ((await toProgram(argument, plan.environment)) === "stop") break;
  }
  if (forwards.length === 0) return counts.toString();
  return `${counts}qp ${await forward(forwards, plan)}\n`;
}

/**
 * Where programs are not run, nothing at all is delivered, or every new attempt would deliver the rest once more.
 * @throws Exit 111
 */
export function refusePrograms(plan: Plan): void {
  if (plan.noPrograms === undefined) return;
  for (const { kind } of steps(plan))
    if (kind === "program") throw temporary(`Unable to run program: ${plan.noPrograms}. (#4.3.0)\n`);
}

/**
 * Whether a program may have a part in it: one of the instructions, or the user's own queue program, whose words belong
 * into the report. What is wrong with an instruction shows when its turn comes, unless a program comes before.
 */
export function runsPrograms(plan: Plan): boolean {
  if (plan.environment.QMAILQUEUE !== undefined) return true;
  try {
    for (const { kind } of steps(plan)) if (kind === "program") return true;
  } catch (failure) {
    if (!(failure instanceof Exit)) throw failure;
  }
  return false;
}

const messageDescriptor = 0;
const slash = 47;

function rewindMessage(): void {
  try {
    rewind(messageDescriptor);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary("Unable to rewind message. (#4.3.0)\n");
  }
}

const maildirTexts: Readonly<Record<MaildirStep, string>> = {
  directory: "Unable to chdir to maildir. (#4.2.1)\n",
  write: "Temporary error on maildir delivery. (#4.3.0)\n",
  read: "Unable to read message. (#4.3.0)\n",
  timeout: "Timeout on maildir delivery. (#4.3.0)\n",
};

function toMaildir(directory: Buffer, { returnPath, deliveredTo }: HeaderLines): void {
  rewindMessage();
  orMaildirTrouble(() =>
    deliverToMaildir(directory, Buffer.concat([returnPath, deliveredTo]), messageDescriptor),
  );
}

/** A step of a delivery to a Maildir. @throws Exit 111 with the report */
export function orMaildirTrouble<Result>(step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (!(failure instanceof MaildirFailure)) throw failure;
    const passes = failure.cause !== undefined && mayPass(failure.cause.code);
    throw temporary(maildirTexts[failure.step === "directory" && passes ? "write" : failure.step]);
  }
}

/**
 * Begins a delivery that is nothing but one to a Maildir, of the message on descriptor 0; undefined where it is
 * anything else, and nothing was done. It can be ended in any directory.
 * @throws Exit 111 with the report
 */
export function beginMaildir(plan: Plan, home: Buffer): MaildirDelivery | undefined {
  const directory = onlyMaildir(plan);
  if (directory === undefined) return undefined;
  rewindMessage();
  const header = Buffer.concat([plan.lines.returnPath, plan.lines.deliveredTo]);
  return orMaildirTrouble(() => new MaildirDelivery(below(home, directory), header, messageDescriptor));
}

/** The report of such a delivery. */
export const oneMaildir = "did 1+0+0\n";

/** The Maildir, where the instructions are nothing but one. */
export function onlyMaildir(plan: Pick<Plan, "text" | "forwardOnly">): Buffer | undefined {
  try {
    const [first, second] = steps(plan);
    return first?.kind === "maildir" && second === undefined ? first.argument : undefined;
  } catch (failure) {
    if (!(failure instanceof Exit)) throw failure;
    return undefined;
  }
}

/** A path as seen from the home. */
export const below = (home: Buffer, path: Buffer): Buffer =>
  path[0] === slash ? path : Buffer.concat([home, Buffer.of(slash), path]);

const mboxTexts: Readonly<Record<MboxStep, (name: string, reason: string) => string>> = {
  open: (name, reason) => `Unable to open ${name}: ${reason}. (#4.2.1)\n`,
  lock: () => "File has been locked for 30 seconds straight. (#4.3.0)\n",
  read: (_, reason) => `Unable to read message: ${reason}. (#4.3.0)\n`,
  write: (name, reason) => `Unable to write ${name}: ${reason}. (#4.3.0)\n`,
};

function toMbox(name: Buffer, { from, returnPath, deliveredTo }: HeaderLines): void {
  rewindMessage();
  try {
    appendToMbox(name, Buffer.concat([from, returnPath, deliveredTo]), messageDescriptor);
  } catch (failure) {
    if (!(failure instanceof MboxFailure)) throw failure;
    const reason = errorText(failure.cause?.code ?? "");
    throw temporary(mboxTexts[failure.step](name.toString("latin1"), reason));
  }
}

/** Exit codes of programs that are hard errors (qmail-command(8)); the others but 0 and 99 are soft. */
const hardErrors: ReadonlySet<number> = new Set([64, 65, 70, 76, 77, 78, 100, 112]);
const stopHere = 99;

/** Runs a program with the message as its input. It speaks for itself: a failure adds no text. */
async function toProgram(command: Buffer, environment: Environment): Promise<"go on" | "stop"> {
  rewindMessage();
  const end = await startShell(command, environment).ended;
  if ("signal" in end) throw temporary("Aack, child crashed. (#4.3.0)\n");
  if (end.code === 0) return "go on";
  if (end.code === stopHere) return "stop";
  throw hardErrors.has(end.code) ? permanent("") : temporary("");
}

function startShell(command: Buffer, environment: Environment): Child {
  try {
    return start({
      command: ["/bin/sh", "-c", command],
      descriptors: [messageDescriptor, 1, 2],
      environment,
    });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`Unable to run /bin/sh: ${errorText(failure.code)}. (#4.3.0)\n`);
  }
}

/** Queues the message for all addresses; returns the queue program's process. */
async function forward(addresses: readonly Buffer[], plan: Plan): Promise<number> {
  rewindMessage();
  const submission = new Submission(plan.environment);
  submission.message(plan.lines.deliveredTo);
  if (messageCopied(submission)) {
    submission.from(plan.newSender);
    for (const address of addresses) submission.to(address);
  }
  const verdict = await submission.close();
  if (verdict.accepted) return verdict.pid;
  const code = verdict.report.startsWith("D") ? 100 : 111;
  throw new Exit(code, `Unable to forward message: ${verdict.report.slice(1)}.\n`);
}

/** False if the message could not be read: then the queue program gets no envelope and reports a read error. */
function messageCopied(submission: Submission): boolean {
  try {
    copyMessage(submission);
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    submission.abandon();
    return false;
  }
}
