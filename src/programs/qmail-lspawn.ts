/** qmail-lspawn(8): runs qmail-local for each local delivery that qmail-send asks for. */
import {
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
import { CutReport } from "../core/delivery/output.ts";
import { localReport } from "../core/delivery/report.ts";
import { type Delivery, enterMessages, serve } from "../core/delivery/slots.ts";
import { type WorkerStart, Workers } from "../core/delivery/workers.ts";
import { mayPass } from "../core/sys/errors.ts";
import { isThisExecutable } from "../core/sys/exec.ts";
import { inHome, qmailHome } from "../core/sys/home.ts";
import type { End, Start } from "../core/sys/spawn.ts";
import type { Ids } from "../core/users/identity.ts";
import type { Assignment } from "../core/users/lookup.ts";

const program = "qmail-lspawn";
const usage = 100;
const reportLimit = 3000;

export async function main([defaultDelivery]: Buffer[]): Promise<number> {
  enterMessages(program);
  if (defaultDelivery === undefined) return usage;
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
    const assignment = await assignmentOf(delivery.local, rights);
    const ids = idsFor(assignment, rights);
    return localReport(await runLocal(delivery, assignment, defaultDelivery, ids, output), output.bytes());
  } catch (failure) {
    if (failure instanceof Ended) return localReport(failure.end, Buffer.alloc(0));
    throw failure;
  }
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
  const QMAILNOPROGRAM = noPrograms(ids);
  return QMAILNOPROGRAM === undefined ? {} : { environment: { ...process.env, QMAILNOPROGRAM } };
}
