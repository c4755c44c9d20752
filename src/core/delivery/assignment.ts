/**
 * The steps of qmail-lspawn(8) before qmail-local: whose an address is, by users/cdb or qmail-getpw, and with which ids
 * its mail is delivered.
 */
import { CdbDamaged } from "../control/cdbfile.ts";
import { isSystemError } from "../exit.ts";
import { qmailHome } from "../sys/home.ts";
import type { End } from "../sys/spawn.ts";
import { become, type Ids, idsOf, queueIdentity } from "../users/identity.ts";
import { type Assignment, findRecord, parseRecord, UsersDamaged } from "../users/lookup.ts";
import { runCollecting } from "./child.ts";
import { lspawnCode } from "./codes.ts";
import { WholeOutput } from "./output.ts";
import { DeliveryTrouble } from "./trouble.ts";

const recordLimit = 1 << 16;

/** Which ids the deliveries of this home may have. */
export interface Rights {
  /** Who qmail-getpw runs as; undefined: as we do. */
  getpw: Ids | undefined;
  /** A private home: one user, who may be root, and nobody to switch to. */
  privateHome: boolean;
  /** Who we are. */
  uid: number | undefined;
}

/** The rights that a spawner has here; root in somebody's private home becomes that user. */
export function rightsHere(): Rights {
  const identity = queueIdentity();
  if (identity.kind === "users")
    return { getpw: idsOf("qmailp"), privateHome: false, uid: process.geteuid?.() };
  if (identity.kind === "owner") become(identity.ids);
  return { getpw: undefined, privateHome: true, uid: process.geteuid?.() };
}

/** A step before qmail-local ended the delivery. */
export class Ended extends Error {
  readonly end: End;
  constructor(code: number) {
    super(`ended with ${code}`);
    this.end = { code };
  }
}

/** Who gets the mail of an address, and who said so. */
export type Assigned = Assignment & { by: "users/cdb" | "qmail-getpw" };

/** Who gets the mail of an address: users/cdb knows, or else qmail-getpw. Throws Ended. */
export async function assignmentOf(local: Buffer, { getpw }: Rights): Promise<Assigned> {
  return assignedByUsers(local) ?? assigned(await askGetpw(local, getpw), "qmail-getpw");
}

/** Who gets the mail of an address by users/cdb; undefined: it does not know. Throws Ended. */
export function assignedByUsers(local: Buffer): Assigned | undefined {
  const record = assignedIn(local);
  return record && assigned(record, "users/cdb");
}

function assigned(record: Buffer, by: Assigned["by"]): Assigned {
  const assignment = parseRecord(record);
  if (assignment === undefined) throw new Ended(lspawnCode.usage);
  return { ...assignment, by };
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
 * qmail-local refuses to run programs. Throws Ended or DeliveryTrouble.
 */
export function idsFor({ user, uid, gid }: Assignment, { privateHome, uid: self }: Rights): Ids | undefined {
  if (privateHome && uid === self) return undefined;
  if (uid === 0) throw new Ended(lspawnCode.root);
  if (self === 0) return { uid, gid };
  throw new DeliveryTrouble(
    `ZThis qmail home runs as uid ${self} only and cannot deliver as user ${user.toString("latin1")}, uid ${uid}.\n`,
  );
}

/** Why a delivery with these ids (those of idsFor) runs no programs; undefined: it does. */
export function noPrograms(ids: Ids | undefined): string | undefined {
  return ids === undefined && process.geteuid?.() === 0 ? "this qmail home belongs to root" : undefined;
}

/** A program could not be started: EPERM and EINVAL, because it may not have the ids; or because of the file itself. */
export function notStarted(codeFor: (code: string) => number): (failure: unknown) => never {
  return (failure) => {
    if (!isSystemError(failure)) throw failure;
    const noIds = failure.code === "EPERM" || failure.code === "EINVAL";
    throw new Ended(noIds ? lspawnCode.usage : codeFor(failure.code));
  };
}
