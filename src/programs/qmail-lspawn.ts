/** qmail-lspawn(8): runs qmail-local for each local delivery that qmail-send asks for. */

import { CdbDamaged } from "../core/control/cdbfile.ts";
import { runCollecting } from "../core/delivery/child.ts";
import { lspawnCode } from "../core/delivery/codes.ts";
import { CutReport, WholeOutput } from "../core/delivery/output.ts";
import { localReport } from "../core/delivery/report.ts";
import { type Delivery, DeliveryTrouble, enterMessages, serve } from "../core/delivery/slots.ts";
import { type WorkerStart, Workers } from "../core/delivery/workers.ts";
import { isSystemError } from "../core/exit.ts";
import { mayPass } from "../core/sys/errors.ts";
import { isThisExecutable } from "../core/sys/exec.ts";
import { inHome, qmailHome } from "../core/sys/home.ts";
import type { End, Start } from "../core/sys/spawn.ts";
import { become, type Ids, idsOf, queueIdentity } from "../core/users/identity.ts";
import { type Assignment, findRecord, parseRecord, UsersDamaged } from "../core/users/lookup.ts";

const program = "qmail-lspawn";
const usage = 100;
const reportLimit = 3000;
const recordLimit = 1 << 16;

/** Which ids the deliveries of this home may have. */
interface Rights {
  /** Who qmail-getpw runs as; undefined: as we do. */
  getpw: Ids | undefined;
  /** A private home: one user, who may be root, and nobody to switch to. */
  privateHome: boolean;
}

export async function main([defaultDelivery]: Buffer[]): Promise<number> {
  enterMessages(program);
  if (defaultDelivery === undefined) return usage;
  const rights = rightsHere();
  await serve((delivery) => deliverLocally(delivery, defaultDelivery, rights));
  workers.dismiss();
  return 0;
}

function rightsHere(): Rights {
  const identity = queueIdentity();
  if (identity.kind === "users") return { getpw: idsOf("qmailp"), privateHome: false };
  if (identity.kind === "owner") become(identity.ids);
  return { getpw: undefined, privateHome: true };
}

/** A step before qmail-local ended the delivery. */
class Ended extends Error {
  readonly end: End;
  constructor(code: number) {
    super(`ended with ${code}`);
    this.end = { code };
  }
}

async function deliverLocally(delivery: Delivery, defaultDelivery: Buffer, rights: Rights): Promise<Buffer> {
  const output = new CutReport(reportLimit);
  // The recipient is the empty address: there is nobody to deliver to, and nobody to tell.
  if (delivery.local.length === 0) return localReport({ code: 0 }, output.bytes());
  try {
    const assignment = await assignmentOf(delivery.local, rights);
    const ids = idsFor(assignment, rights);
    return localReport(await runLocal(delivery, assignment, defaultDelivery, ids, output), output.bytes());
  } catch (failure) {
    if (failure instanceof Ended) return localReport(failure.end, Buffer.alloc(0));
    throw failure;
  }
}

/** Who gets the mail of an address: users/cdb knows, or else qmail-getpw. */
async function assignmentOf(local: Buffer, { getpw }: Rights): Promise<Assignment> {
  const assignment = parseRecord(assignedIn(local) ?? (await askGetpw(local, getpw)));
  if (assignment === undefined) throw new Ended(lspawnCode.usage);
  return assignment;
}

function assignedIn(local: Buffer): Buffer | undefined {
  try {
    return findRecord(local);
  } catch (failure) {
    if (isSystemError(failure) || failure instanceof CdbDamaged || failure instanceof UsersDamaged)
      throw new Ended(lspawnCode.cdb);
    throw failure;
  }
}

async function askGetpw(local: Buffer, ids: Ids | undefined): Promise<Buffer> {
  const answer = new WholeOutput(recordLimit);
  const getpw = { command: ["bin/qmail-getpw", local], directory: qmailHome(), ...(ids && { ids }) };
  const end = await runCollecting((output) => ({ ...getpw, descriptors: [null, output, 2] }), answer).catch(
    notStarted(() => lspawnCode.execGetpw),
  );
  if ("signal" in end) throw new Ended(lspawnCode.system);
  if (end.code !== 0) throw new Ended(end.code);
  return answer.bytes();
}

/**
 * The ids of a delivery; undefined: ours. No mail is delivered as root, but in a private home that is root's, where
 * qmail-local refuses to run programs.
 */
function idsFor({ user, uid, gid }: Assignment, { privateHome }: Rights): Ids | undefined {
  const self = process.geteuid?.();
  if (privateHome && uid === self) return undefined;
  if (uid === 0) throw new Ended(lspawnCode.root);
  if (self === 0) return { uid, gid };
  throw new DeliveryTrouble(
    `ZThis qmail home runs as uid ${self} only and cannot deliver as user ${user.toString("latin1")}, uid ${uid}.\n`,
  );
}

async function runLocal(
  { message, sender, local, host }: Delivery,
  { user, home, dash, extension }: Assignment,
  defaultDelivery: Buffer,
  ids: Ids | undefined,
  output: CutReport,
): Promise<End> {
  const args = ["--", user, home, local, dash, extension, host, sender, defaultDelivery];
  const words = args.map((argument) => Buffer.from(argument));
  const how = { directory: qmailHome(), ...asUser(ids) };
  return await (async () => {
    const end = await askWorker(
      words,
      message,
      { ...how, command: ["bin/qmail-local", "--resident"] },
      output,
    );
    if (end !== undefined) return end;
    const command = ["bin/qmail-local", ...words];
    return await runCollecting((fd) => ({ ...how, command, descriptors: [message, fd, fd] }), output);
  })().catch(notStarted((code) => (mayPass(code) ? lspawnCode.execSoft : lspawnCode.execHard)));
}

const workers = new Workers();

/** Has a warm qmail-local deliver; undefined where the delivery needs one of its own. */
async function askWorker(
  words: readonly Buffer[],
  message: number,
  how: WorkerStart,
  output: CutReport,
): Promise<End | undefined> {
  if (!isThisExecutable(inHome("bin/qmail-local"))) return undefined;
  const outcome = await workers.deliver(`${how.ids?.uid}:${how.ids?.gid}`, how, words, message);
  if (outcome === undefined || outcome.kind === "programs") return undefined;
  if (outcome.kind === "gone") return "signal" in outcome.end ? outcome.end : { signal: "gone" };
  output.add(outcome.text);
  return { code: outcome.code };
}

/** What a start needs for these ids. As root, qmail-local is told why it runs no programs. */
function asUser(ids: Ids | undefined): Pick<Start, "ids" | "environment"> {
  if (ids !== undefined) return { ids };
  if (process.geteuid?.() !== 0) return {};
  return { environment: { ...process.env, QMAILNOPROGRAM: "this qmail home belongs to root" } };
}

/** A program could not be started: EPERM and EINVAL, because it may not have the ids; or because of the file itself. */
function notStarted(codeFor: (code: string) => number): (failure: unknown) => never {
  return (failure) => {
    if (!isSystemError(failure)) throw failure;
    const noIds = failure.code === "EPERM" || failure.code === "EINVAL";
    throw new Ended(noIds ? lspawnCode.usage : codeFor(failure.code));
  };
}
