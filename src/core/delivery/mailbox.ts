/**
 * Whether a local address leads anywhere, found out as a delivery would, but before the message is taken. What cannot
 * be found out now counts as yes: the delivery will see.
 */
import { statSync } from "node:fs";
import { CdbDamaged } from "../control/cdbfile.ts";
import { controlLine, controlLines, me } from "../control/control.ts";
import { isSystemError } from "../exit.ts";
import { Routing } from "../mail/routing.ts";
import { qmailHome } from "../sys/home.ts";
import { type Assignment, findRecord, parseRecord, UsersDamaged } from "../users/lookup.ts";
import { runCollecting } from "./child.ts";
import { dotQmailNames } from "./dotqmail.ts";
import { WholeOutput } from "./output.ts";
import { DeliveryTrouble } from "./trouble.ts";

const remote = 1;
const recordLimit = 1 << 16;

/** qmail-local delivers nothing in a home that is sticky (its owner is at work) or writable by others. */
const notNow = 0o1002;

/** The addresses of this host, by one reading of the control files that qmail-send routes by. */
export class Mailboxes {
  readonly #routing: Routing;

  /** Throws where a control file cannot be read. */
  constructor() {
    const text = (line: Buffer): string => line.toString("latin1");
    const list = (name: string): string[] | undefined => controlLines(name)?.map(text);
    const host = me();
    this.#routing = new Routing({
      locals: list("locals") ?? (host === undefined ? [] : [text(host)]),
      percentHack: list("percenthack") ?? [],
      virtualDomains: list("virtualdomains") ?? [],
      envNoAtHost: text(controlLine("envnoathost") ?? host ?? Buffer.from("envnoathost")),
    });
  }

  /** Whether an address, if it is delivered here, has a mailbox or a .qmail file. */
  async mayHave(address: Buffer): Promise<boolean> {
    const route = this.#routing.route(address.toString("latin1"));
    const local = Buffer.from(route.address.slice(0, route.address.lastIndexOf("@")), "latin1");
    try {
      return route.channel === remote || local.length === 0 || (await isAnybodys(local));
    } catch (failure) {
      if (isSystemError(failure) || troubles.some((trouble) => failure instanceof trouble)) return true;
      throw failure;
    }
  }
}

/** What keeps us from finding out; the delivery would be tried again. */
const troubles = [CdbDamaged, UsersDamaged, DeliveryTrouble] as const;

/** Whether a local part, with what virtualdomains put in front of it, has a mailbox or a .qmail file. */
async function isAnybodys(local: Buffer): Promise<boolean> {
  const record = findRecord(local) ?? (await askGetpw(local));
  const assignment = record && parseRecord(record);
  if (assignment === undefined || assignment.dash.length === 0 || !isUsable(assignment.home)) return true;
  return hasDotQmail(assignment);
}

/** What qmail-getpw, ours or the site's own, says. */
async function askGetpw(local: Buffer): Promise<Buffer | undefined> {
  const answer = new WholeOutput(recordLimit);
  const getpw = { command: ["bin/qmail-getpw", local], directory: qmailHome() };
  const end = await runCollecting((output) => ({ ...getpw, descriptors: [null, output, 2] }), answer);
  return "code" in end && end.code === 0 ? answer.bytes() : undefined;
}

function isUsable(home: Buffer): boolean {
  const status = lookAt(home);
  return typeof status === "object" && (status.mode & notNow) === 0;
}

function hasDotQmail({ home, dash, extension }: Assignment): boolean {
  for (const { name } of dotQmailNames({ dash, extension })) {
    const status = lookAt(Buffer.concat([home, Buffer.from("/"), name]));
    if (status === "unknown" || (status !== "missing" && status.isFile())) return true;
  }
  return false;
}

function lookAt(path: Buffer) {
  try {
    return statSync(path);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return ["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(failure.code) ? "missing" : "unknown";
  }
}
