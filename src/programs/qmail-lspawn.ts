/** qmail-lspawn(8): runs qmail-local for each local delivery that qmail-send asks for. */
import { statSync } from "node:fs";
import {
  assignedByUsers,
  assignmentOf,
  Ended,
  idsFor,
  noPrograms,
  notStarted,
  type Rights,
  rightsHere,
} from "../core/delivery/assignment.ts";
import { runCollecting } from "../core/delivery/child.ts";
import { lspawnCode } from "../core/delivery/codes.ts";
import { Here } from "../core/delivery/here.ts";
import { CutReport } from "../core/delivery/output.ts";
import { localReport } from "../core/delivery/report.ts";
import { type Delivery, enterMessages, serve } from "../core/delivery/slots.ts";
import { type WorkerStart, Workers } from "../core/delivery/workers.ts";
import { mayPass } from "../core/sys/errors.ts";
import { isThisExecutable } from "../core/sys/exec.ts";
import { inHome, qmailHome } from "../core/sys/home.ts";
import { Kept } from "../core/sys/kept.ts";
import type { End, Start } from "../core/sys/spawn.ts";
import type { Ids } from "../core/users/identity.ts";
import { type Assignment, keepUsers } from "../core/users/lookup.ts";

const program = "qmail-lspawn";
const usage = 100;
const reportLimit = 3000;

export async function main([defaultDelivery]: Buffer[]): Promise<number> {
  enterMessages(program);
  if (defaultDelivery === undefined) return usage;
  keepUsers();
  const rights = rightsHere();
  await serve((delivery) => deliverLocally(delivery, defaultDelivery, rights));
  workers.dismiss();
  return 0;
}

async function deliverLocally(delivery: Delivery, defaultDelivery: Buffer, rights: Rights): Promise<Buffer> {
  const output = new CutReport(reportLimit);
  // The recipient is the empty address: there is nobody to deliver to, and nobody to tell.
  if (delivery.local.length === 0) return localReport({ code: 0 }, output.bytes());
  try {
    const assigned = assignedByUsers(delivery.local) ?? (await assignmentOf(delivery.local, rights));
    const ids = idsFor(assigned, rights);
    const code = (reason: string) => (mayPass(reason) ? lspawnCode.execSoft : lspawnCode.execHard);
    const end = await runLocal(delivery, assigned, defaultDelivery, ids, output).catch(notStarted(code));
    return localReport(end, output.bytes());
  } catch (failure) {
    if (failure instanceof Ended) return localReport(failure.end, Buffer.alloc(0));
    throw failure;
  }
}

/** Delivers by the cheapest of three ways: here, by a warm qmail-local, or by one of its own. */
async function runLocal(
  delivery: Delivery,
  assignment: Assignment,
  defaultDelivery: Buffer,
  ids: Ids | undefined,
  output: CutReport,
): Promise<End> {
  const path = inHome("bin/qmail-local");
  const isOurs = qmailLocal.of(statSync(path), () => isThisExecutable(path));
  const done = isOurs && ids === undefined ? here.deliver(delivery, assignment, defaultDelivery) : undefined;
  if (done !== undefined) return saying(await done, output);
  const { message, sender, local, host } = delivery;
  const { user, home, dash, extension } = assignment;
  const args = ["--", user, home, local, dash, extension, host, sender, defaultDelivery];
  const words = args.map((argument) => Buffer.from(argument));
  const how = { directory: qmailHome(), ...asUser(ids) };
  const descriptor = message.own();
  const warm = { ...how, command: ["bin/qmail-local", "--resident"] };
  const end = isOurs ? await askWorker(words, descriptor, warm, output) : undefined;
  if (end !== undefined) return end;
  const command = ["bin/qmail-local", ...words];
  return await runCollecting((fd) => ({ ...how, command, descriptors: [descriptor, fd, fd] }), output);
}

/** Whether bin/qmail-local is this very program, so that its work may be done otherwise. */
const qmailLocal = new Kept<boolean>();
const here = new Here();
const workers = new Workers();

/** Has a warm qmail-local deliver; undefined where the delivery needs one of its own. */
async function askWorker(
  words: readonly Buffer[],
  message: number,
  how: WorkerStart,
  output: CutReport,
): Promise<End | undefined> {
  const outcome = await workers.deliver(`${how.ids?.uid}:${how.ids?.gid}`, how, words, message);
  if (outcome === undefined || outcome.kind === "programs") return undefined;
  if (outcome.kind === "gone") return "signal" in outcome.end ? outcome.end : { signal: "gone" };
  return saying(outcome, output);
}

function saying({ code, text }: { code: number; text: Buffer }, output: CutReport): End {
  output.add(text);
  return { code };
}

/** What a start needs for these ids. As root, qmail-local is told why it runs no programs. */
function asUser(ids: Ids | undefined): Pick<Start, "ids" | "environment"> {
  if (ids !== undefined) return { ids };
  const QMAILNOPROGRAM = noPrograms(ids);
  return QMAILNOPROGRAM === undefined ? {} : { environment: { ...process.env, QMAILNOPROGRAM } };
}
