/** What has to be true of a disk: right after a power cut, and when all mail is done. */
import type { Disk } from "./disk.ts";
import { addressed, numberIn, type Plan, postmaster } from "./plan.ts";
import type { Delivered, Truth } from "./truth.ts";
import { home, queue } from "./world.ts";

/** What went wrong, in words. */
export interface Verdict {
  lost: string[];
  torn: string[];
  confused: string[];
  twice: string[];
  left: string[];
  /** Copies beyond the first that the rules allow. */
  duplicates: number;
}

/** What was submitted, by number. */
export type Plans = ReadonlyMap<number, Plan>;

export const isClean = ({ lost, torn, confused, twice, left }: Verdict): boolean =>
  [lost, torn, confused, twice, left].every((each) => each.length === 0);

const received = /^Received: \(qmail \d+ invoked (?:from network|by uid \d+|for bounce)\); [^\n]*\n/;

/** The text without the field that qmail-queue put in front; undefined: there is none. */
function withoutReceived(text: string): string | undefined {
  const [field] = received.exec(text) ?? [];
  return field === undefined ? undefined : text.slice(field.length);
}

/** What is in a message as somebody got it. */
type Found = { kind: "message" | "bounce"; number: number; recipients: string[] } | "torn" | "confused";

function recognized({ sender, recipient, content }: Delivered, truth: Truth, plans: Plans): Found {
  const text = withoutReceived(content.toString("latin1"));
  if (text === undefined) return "torn";
  const { number } = addressed(recipient) ?? {};
  const plan = plans.get(number ?? -1);
  if (
    plan?.recipients.includes(recipient) === true &&
    (sender === plan.sender || (sender === "" && truth.repaired))
  )
    return text === plan.text.toString("latin1")
      ? { kind: "message", number: plan.number, recipients: [recipient] }
      : told(text, plans);
  const isBounce = sender === "" && plan?.sender === recipient;
  const isDouble = sender === "#@[]" && recipient === postmaster;
  return isBounce || isDouble ? bounced(text, plans, recipient) : "confused";
}

/** A text that is not the one expected: another's, or a part of one. */
function told(text: string, plans: Plans): "torn" | "confused" {
  return [...plans.values()].some((plan) => plan.text.toString("latin1") === text) ? "confused" : "torn";
}

function bounced(text: string, plans: Plans, recipient: string): Found {
  const number = numberIn(text);
  const plan = plans.get(number);
  const original = plan?.text.toString("latin1") ?? "";
  if (plan === undefined || !text.endsWith(original) || !text.includes("--- ")) return "torn";
  if (plan.sender !== recipient && recipient !== postmaster) return "confused";
  // A bounce that failed tells the postmaster of itself, and of all that it told.
  const head = text.slice(0, recipient === postmaster ? text.lastIndexOf("--- ") : text.indexOf("--- "));
  // What a power cut left of a paragraph that was never finished may stand in front of it.
  const recipients = [...head.matchAll(/<([^<>\n]*)>:$/gm)].map((match) => match[1] ?? "");
  const others = recipients.filter((each) => !plan.recipients.includes(each) && each !== plan.sender);
  if (others.length > 0) return "confused";
  return { kind: "bounce", number, recipients };
}

/** Everything that somebody got. */
function* mail(disk: Disk, truth: Truth, verdict: Verdict): Generator<readonly [string, Delivered]> {
  for (const box of ["m0", "m1", "m9"])
    for (const [path, { data }] of disk.filesBelow(`/mail/${box}/new`)) {
      const delivered = inBox(data.toString("latin1"));
      if (delivered === undefined)
        verdict.torn.push(`${path}: ${JSON.stringify(data.toString("latin1").slice(0, 80))}`);
      else yield [path, delivered];
    }
  const [file] = disk.filesBelow("/mail/b0");
  // An mbox may have parts of messages, which a power cut left.
  for (const part of file?.[1].data.toString("latin1").split("From x\n").slice(1) ?? []) {
    const [whole] = /^.*?^end of \d+\n(?=\n)/ms.exec(part) ?? [];
    const delivered = whole === undefined ? undefined : inBox(whole);
    if (delivered !== undefined) yield ["mbox", delivered];
  }
  for (const delivered of truth.remote) yield ["remote", delivered];
}

function inBox(text: string): Delivered | undefined {
  const [head, sender = "", recipient = ""] =
    /^Return-Path: <([^\n]*)>\nDelivered-To: ([^\n]*)\n/.exec(text) ?? [];
  if (head === undefined) return undefined;
  return { sender, recipient, content: Buffer.from(text.slice(head.length), "latin1") };
}

function clean(): Verdict {
  return { lost: [], torn: [], confused: [], twice: [], left: [], duplicates: 0 };
}

/** The copies of each recipient's message, those of a bounce among them. */
function copiesOf(disk: Disk, truth: Truth, plans: Plans, verdict: Verdict) {
  const copies = new Map<string, { message: number; bounce: number }>();
  for (const [place, delivered] of mail(disk, truth, verdict)) {
    const found = recognized(delivered, truth, plans);
    if (typeof found === "string") {
      // Where the lines of an mbox that is torn meet, they can look like a message.
      if (place === "mbox" && found === "torn") continue;
      const words = JSON.stringify(delivered.content.toString("latin1").slice(0, 100));
      verdict[found].push(`${place}: from <${delivered.sender}> to ${delivered.recipient}: ${words}`);
      continue;
    }
    for (const recipient of new Set(found.recipients)) {
      const known = copies.get(recipient) ?? { message: 0, bounce: 0 };
      known[found.kind]++;
      copies.set(recipient, known);
    }
  }
  return copies;
}

/** What has to be true of the disk when the power is back, before anything runs. */
export function checkDisk(disk: Disk, truth: Truth, plans: Plans): Verdict {
  const verdict = clean();
  copiesOf(disk, truth, plans, verdict);
  for (const [path, { data }] of disk.filesBelow(`${queue}/todo`)) {
    const id = path.slice(path.lastIndexOf("/") + 1);
    const message = disk.find(`${queue}/mess/${Number(id) % 3}/${id}`);
    if (message !== undefined)
      checkQueued(path, message.data, data.toString("latin1"), truth, plans, verdict);
  }
  return verdict;
}

function checkQueued(
  path: string,
  message: Buffer,
  envelope: string,
  truth: Truth,
  plans: Plans,
  verdict: Verdict,
): void {
  const records = envelope.split("\0");
  const isWhole =
    records.at(-1) === "" && records.at(-2)?.startsWith("T") && records.some((each) => each.startsWith("F"));
  if (!isWhole) {
    verdict.torn.push(`${path}: envelope ${JSON.stringify(envelope)}`);
    return;
  }
  const sender = records.find((each) => each.startsWith("F"))?.slice(1) ?? "";
  for (const record of records.filter((each) => each.startsWith("T"))) {
    const found = recognized({ sender, recipient: record.slice(1), content: message }, truth, plans);
    if (typeof found === "string")
      verdict[found].push(`${path}: ${JSON.stringify(message.toString("latin1").slice(0, 100))}`);
  }
}

/** What has to be true when nothing is left to be done. */
export function checkEnd(disk: Disk, truth: Truth, plans: Plans): Verdict {
  const verdict = clean();
  const copies = copiesOf(disk, truth, plans, verdict);
  for (const plan of plans.values())
    for (const recipient of plan.recipients) {
      const { message, bounce } = copies.get(recipient) ?? { message: 0, bounce: 0 };
      const isKept =
        message + bounce > 0 || truth.removed.has(plan.number) || !truth.acknowledged.has(plan.number);
      if (!isKept) verdict.lost.push(`message ${plan.number} to ${recipient}`);
      verdict.duplicates += Math.max(message - 1, 0) + Math.max(bounce - 1, 0);
      // A bounce is a message itself: both may come again.
      const allowed = 1 + truth.excuses;
      if (message > allowed || bounce > allowed ** 2)
        verdict.twice.push(`message ${plan.number} to ${recipient}: ${message} and ${bounce} in bounces`);
    }
  for (const path of leftOver(disk)) verdict.left.push(path);
  return verdict;
}

/** What is still in the queue. */
export function leftOver(disk: Disk): string[] {
  return ["pid", "mess", "intd", "todo", "info", "local", "remote", "bounce"].flatMap((directory) =>
    [...disk.filesBelow(`${queue}/${directory}`)].map(([path]) => path.slice(home.length + "/queue/".length)),
  );
}
