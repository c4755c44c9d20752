/**
 * qmail-rspawn(8): makes the remote deliveries that qmail-send asks for, by itself or, where qmail-remote is another
 * program than ours, by running that one.
 */
import { closeSync, constants, openSync } from "node:fs";
import { keepControls } from "../core/control/control.ts";
import { runCollecting } from "../core/delivery/child.ts";
import { WholeOutput } from "../core/delivery/output.ts";
import { remoteReport } from "../core/delivery/report.ts";
import { type Delivery, enterMessages, serve } from "../core/delivery/slots.ts";
import { DeliveryTrouble } from "../core/delivery/trouble.ts";
import { isSystemError } from "../core/exit.ts";
import type { ResidentRemote } from "../core/net/resident-remote.ts";
import { environment } from "../core/sys/arguments.ts";
import { mayPass } from "../core/sys/errors.ts";
import { isThisExecutableInPath } from "../core/sys/exec.ts";
import { writeAll } from "../core/sys/fd.ts";
import { inHome } from "../core/sys/home.ts";
import { become, queueIdentity } from "../core/users/identity.ts";

const outputLimit = 1 << 20;

/** Size of queue/lock/tcpto, the table of hosts that did not answer. */
const tcptoSize = 1024;

export async function main(): Promise<number> {
  enterMessages("qmail-rspawn");
  const identity = queueIdentity();
  if (identity.kind === "owner") become(identity.ids);
  forgetTimeouts();
  keepControls();
  const remote = environment("QMAILREMOTE");
  let resident: Promise<ResidentRemote> | undefined;
  await serve(async (delivery) => {
    if (remote !== undefined || !isThisExecutableInPath("qmail-remote")) return runRemote(delivery, remote);
    resident ??= makeResident().catch((failure) => {
      resident = undefined;
      throw failure;
    });
    return remoteReport(
      { code: 0 },
      await (await resident).deliver({ ...delivery, message: delivery.message.shared }),
    );
  });
  (await resident)?.end();
  return 0;
}

/** Loaded when the first delivery needs it. */
async function makeResident(): Promise<ResidentRemote> {
  const { ResidentRemote } = await import("../core/net/resident-remote.ts");
  return new ResidentRemote();
}

/** A fresh start for every host. No failure matters: the table only saves time. */
function forgetTimeouts(): void {
  try {
    const fd = openSync(inHome("queue/lock/tcpto"), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeAll(fd, Buffer.alloc(tcptoSize));
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}

/** Runs qmail-remote, from PATH, or what QMAILREMOTE names in its place. */
async function runRemote(delivery: Delivery, remote: Buffer | undefined): Promise<Buffer> {
  const { message, sender, recipient, host } = delivery;
  const command = [remote ?? "qmail-remote", host, sender, recipient];
  const output = new WholeOutput(outputLimit);
  const end = await runCollecting((fd) => ({ command, descriptors: [message.own(), fd, fd] }), output).catch(
    (failure) => notStarted(failure, remote === undefined),
  );
  if (output.overflowed) throw new DeliveryTrouble("Zqmail-remote produced too much output.\n");
  return remoteReport(end, output.bytes());
}

/**
 * The exit code of a program that could not be started. No mail bounces because qmail-remote itself is not installed:
 * that is temporary. What QMAILREMOTE names was chosen, and its lack is permanent as it always was.
 */
function notStarted(failure: unknown, standard: boolean): { code: number } {
  if (!isSystemError(failure)) throw failure;
  return { code: standard || mayPass(failure.code) ? 111 : 100 };
}
