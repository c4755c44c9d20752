/** qmail-local(8): delivers the message on descriptor 0, a file, by the instructions of a .qmail file. */
import { Options } from "../core/bytes/options.ts";
import { bytes } from "../core/bytes/text.ts";
import { deliver, describe, planDelivery } from "../core/delivery/dotqmail-deliver.ts";
import { enterHome, refuseLoop } from "../core/delivery/dotqmail-home.ts";
import { headerLines, type Recipient } from "../core/delivery/dotqmail-recipient.ts";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { writeAll } from "../core/sys/fd.ts";

const program = "qmail-local";
const usage = `${program}: usage: ${program} [ -nN ] user homedir local dash ext domain sender aliasempty\n`;

/** By this word qmail-lspawn starts one that stays: for the deliveries of a user, one after another. */
const stays = bytes("--resident");

export async function main(args: Buffer[]): Promise<number> {
  process.umask(0o077);
  if (args.length === 1 && args[0]?.equals(stays)) {
    const { work } = await import("../core/delivery/worker.ts");
    await work((words) => commandLine(words).recipient);
    return 0;
  }
  const { recipient, only } = commandLine(args);
  const home = enterHome(recipient.home);
  if (home.sticky && only === "deliver")
    throw temporary("Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n");
  if (home.sticky) writeAll(2, Buffer.from("Warning: home directory is sticky.\n"));
  const lines = headerLines(recipient, Date.now() / 1000);
  if (only === "deliver") refuseLoop(0, lines.deliveredTo);
  const plan = planDelivery(recipient, lines);
  if (only === "describe") describe(plan, say);
  else say(Buffer.from(await deliver({ ...plan, noPrograms: process.env.QMAILNOPROGRAM })));
  return 0;
}

/** Tells what was done. That nobody listens undoes no delivery, so it is no failure. */
function say(line: Buffer): void {
  try {
    writeAll(1, line);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}

/** -n only describes the delivery; -N, or neither, delivers. */
function commandLine(args: Buffer[]): { recipient: Recipient; only: "deliver" | "describe" } {
  const options = new Options(args, { program, letters: "nN", usage });
  const letters = [...options].map(({ letter }) => letter);
  const [user, home, local, dash, extension, host, sender, defaultDelivery, ...more] = options.rest;
  if (!user || !home || !local || !dash || !extension || !host || !sender || !defaultDelivery)
    throw permanent(usage);
  if (more.length > 0 || !home.toString("latin1").startsWith("/")) throw permanent(usage);
  const recipient = { user, home, local, dash, extension, host, sender, defaultDelivery };
  return { recipient, only: letters.at(-1) === "n" ? "describe" : "deliver" };
}
