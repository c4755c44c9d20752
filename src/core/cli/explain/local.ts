/**
 * What qmail-lspawn and qmail-local would do with an address, found out by their own code, as the user whose mail it
 * is, without delivering anything.
 */
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { assignmentOf, Ended, idsFor, noPrograms, type Rights } from "../../delivery/assignment.ts";
import { dotQmailNames, type Line } from "../../delivery/dotqmail.ts";
import { type Plan, planDelivery, plannedLines, refusePrograms } from "../../delivery/dotqmail-deliver.ts";
import { enterHome, headerHas } from "../../delivery/dotqmail-home.ts";
import { headerLines, type Recipient } from "../../delivery/dotqmail-recipient.ts";
import { localReport } from "../../delivery/report.ts";
import { DeliveryTrouble } from "../../delivery/trouble.ts";
import { Exit, isSystemError, permanent, temporary } from "../../exit.ts";
import { errorText } from "../../sys/errors.ts";
import type { Ids } from "../../users/identity.ts";
import type { LineExplained, LocalWay, Outcome } from "./model.ts";

/** What does not depend on the address. */
export interface LocalSetting {
  rights: Rights;
  sender: Buffer;
  defaultDelivery: Buffer;
  /** Delivered-To lines that the message has already. */
  passed: readonly Buffer[];
}

/** What became of it: the way as far as it goes, the report, and the Delivered-To line of what is forwarded. */
export interface LocalResult {
  way?: LocalWay;
  outcome: Outcome;
  report?: string;
  deliveredTo: Buffer;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const outcomes: Readonly<Record<string, Outcome>> = { K: "delivered", Z: "deferred", D: "bounced" };

/** From a spawner's report: what it means, and its words. */
export function outcomeOf(report: string): { outcome: Outcome; report?: string } {
  const outcome = outcomes[report.slice(0, 1)] ?? "deferred";
  return outcome === "delivered" ? { outcome } : { outcome, report: report.slice(1).trimEnd() };
}

/** Explains the address `local`@`host`. */
export async function explainLocal(local: Buffer, host: Buffer, setting: LocalSetting): Promise<LocalResult> {
  const nobody = { outcome: "delivered", deliveredTo: Buffer.alloc(0) } as const;
  // To the empty address nothing is delivered, and nobody is told.
  if (local.length === 0) return nobody;
  try {
    const assigned = await assignmentOf(local, setting.rights);
    const ids = idsFor(assigned, setting.rights);
    const { sender, defaultDelivery } = setting;
    const recipient: Recipient = { ...assigned, local, host, sender, defaultDelivery };
    const { user, home, dash, extension } = assigned;
    const way: LocalWay = {
      by: assigned.by,
      user: text(user),
      uid: assigned.uid,
      gid: assigned.gid,
      home: text(home),
      dash: text(dash),
      extension: text(extension),
      candidates: [],
      defaultDelivery: false,
      lines: [],
    };
    return { way, ...asUser(ids, () => follow(recipient, way, setting.passed, noPrograms(ids))) };
  } catch (failure) {
    if (failure instanceof Ended)
      return { ...nobody, ...outcomeOf(text(localReport(failure.end, Buffer.alloc(0)))) };
    if (failure instanceof DeliveryTrouble) return { ...nobody, ...outcomeOf(failure.message) };
    throw failure;
  }
}

/** Does a step with the effective ids of a delivery, so that it sees what the delivery will see. */
function asUser<Result>(ids: Ids | undefined, step: () => Result): Result {
  if (ids === undefined) return step();
  const before = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const groups = process.getgroups?.() ?? [];
  process.setgroups?.([ids.gid]);
  process.setegid?.(ids.gid);
  process.seteuid?.(ids.uid);
  try {
    return step();
  } finally {
    process.seteuid?.(before.uid);
    process.setegid?.(before.gid);
    process.setgroups?.(groups);
  }
}

/** The steps of qmail-local, in its order; `way` is filled as far as they come. */
function follow(
  recipient: Recipient,
  way: LocalWay,
  passed: readonly Buffer[],
  reason: string | undefined,
): LocalResult {
  const lines = headerLines(recipient, 0);
  const { deliveredTo } = lines;
  try {
    if (enterHome(recipient.home).sticky)
      throw temporary("Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n");
    if (headerHas(passed, deliveredTo))
      throw permanent("This message is looping: it already has my Delivered-To line. (#5.4.6)\n");
    way.candidates = [...dotQmailNames(recipient)].map(({ name }) => ({ name: text(name), found: false }));
    const plan = planDelivery(recipient, lines);
    describe(plan, recipient, way);
    try {
      explainLines(plan, way);
    } finally {
      // A delivery asks this first: its answer counts.
      refusePrograms({ ...plan, noPrograms: reason });
    }
    return { way, outcome: "delivered", deliveredTo };
  } catch (failure) {
    if (!(failure instanceof Exit)) throw failure;
    const report = text(localReport({ code: failure.code }, Buffer.from(failure.text, "latin1")));
    return { way, deliveredTo, ...outcomeOf(report) };
  } finally {
    process.chdir("/");
  }
}

function describe(plan: Plan, { sender }: Recipient, way: LocalWay): void {
  const found =
    plan.file === undefined
      ? -1
      : way.candidates.findIndex(({ name }) => name === text(plan.file ?? Buffer.alloc(0)));
  if (found >= 0)
    way.candidates = way.candidates
      .slice(0, found + 1)
      .map((row, index) => ({ ...row, found: index === found }));
  if (plan.file !== undefined) way.file = text(plan.file);
  const matched = plan.environment.DEFAULT;
  if (matched !== undefined) way.matched = typeof matched === "string" ? matched : text(matched);
  way.defaultDelivery = plan.fromDefault;
  if (!plan.newSender.equals(sender)) way.newSender = text(plan.newSender);
}

/** The lines up to the first that fails; that one is among them, and its failure is thrown. */
function explainLines(plan: Plan, way: LocalWay): void {
  for (const line of plannedLines(plan)) {
    const explained = explainLine(line, way.home);
    way.lines.push(explained);
    if (explained.trouble !== undefined) throw temporary(`${explained.trouble}\n`);
  }
}

function explainLine({ number, text: bytes, instruction }: Line, home: string): LineExplained {
  const line = { number, text: text(bytes) };
  if (instruction === undefined) return { ...line, does: line.text.startsWith("#") ? "comment" : "nothing" };
  if (instruction.kind === "list") return { ...line, does: "list" };
  const { kind } = instruction;
  const argument = text(instruction.argument);
  if (kind !== "maildir" && kind !== "mbox") return { ...line, does: kind, argument };
  const path = argument.startsWith("/") ? argument : `${home}/${argument.replace(/^(\.\/+)+/, "")}`;
  const trouble = kind === "maildir" ? maildirTrouble(path) : mboxTrouble(path, argument);
  return { ...line, does: kind, argument: path, ...(trouble === undefined ? {} : { trouble }) };
}

const bytesOf = (path: string): Buffer => Buffer.from(path, "latin1");

function maildirTrouble(path: string): string | undefined {
  const complete = ["tmp", "new"].every((part) => existsSync(bytesOf(`${path}${part}`)));
  return complete ? undefined : "Unable to chdir to maildir. (#4.2.1)";
}

/** A mailbox need not be there, but its directory must. */
function mboxTrouble(path: string, name: string): string | undefined {
  try {
    if (statSync(bytesOf(path), { throwIfNoEntry: false }) === undefined) statSync(bytesOf(dirname(path)));
    return undefined;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return `Unable to open ${name}: ${errorText(failure.code)}. (#4.2.1)`;
  }
}
