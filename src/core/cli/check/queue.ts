/**
 * What is in the queue, message by message (queue(5)): each part with the parts that it needs, at its place, with the
 * right owner. A running qmail-send moves them meanwhile, so what looks wrong is looked at once more.
 */
import { closeSync, constants, lstatSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isSystemError } from "../../exit.ts";
import { pause } from "../../sys/clock.ts";
import { accountByUid } from "../../sys/passwd.ts";
import { splitOf } from "../mend.ts";
import { lookAt } from "../setup/step.ts";
import { idsOf, systemQueue } from "../setup/tree.ts";
import { shellWord } from "../shell.ts";
import { attempt } from "../trouble.ts";
import { type Finding, type Findings, fault, nameOf, note, type Subject } from "./finding.ts";

/** How long parts may be apart while qmail-send works, in milliseconds. */
const settling = 1500;

/** Everything wrong with the messages, after a second look. */
export function* queueFindings(subject: Subject): Findings {
  const first = [...messageFindings(subject)];
  if (first.length > 0) {
    pause(settling);
    const seen = new Set(first.map(keyOf));
    for (const finding of messageFindings(subject)) if (seen.has(keyOf(finding))) yield finding;
  }
  yield* listenerFindings(subject);
}

const keyOf = ({ about, what }: Finding): string => `${about}\0${what}`;

/** The parts, each with those that must be there, too, and what it means that they are not. */
const parts = [
  { part: "mess", split: true, needs: [], lost: "" },
  { part: "todo", split: false, needs: ["mess"], lost: "a message was accepted, but its text is gone" },
  { part: "info", split: true, needs: ["mess"], lost: "the text of a message is gone" },
  { part: "local", split: true, needs: ["info", "todo"], lost: "recipients have no message any more" },
  { part: "remote", split: true, needs: ["info", "todo"], lost: "recipients have no message any more" },
  { part: "bounce", split: false, needs: ["info", "todo"], lost: "failures were recorded for no message" },
  { part: "intd", split: false, needs: [], lost: "" },
] as const;

type Part = (typeof parts)[number];

function* messageFindings(subject: Subject): Findings {
  const folders = splitOf(subject.home);
  const owners = new Map(
    systemQueue(folders).map(({ path, owner, group }) => [path, idsOf({ owner, group }).uid]),
  );
  for (const part of parts) {
    const uid = subject.system ? owners.get(`queue/${part.part}`) : subject.owner.uid;
    for (const folder of part.split ? numbers(folders) : [undefined])
      yield* folderFindings(subject, part, folders, folder, uid);
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

function* folderFindings(
  subject: Subject,
  part: Part,
  folders: number,
  folder: number | undefined,
  uid: number | undefined,
): Findings {
  const queue = join(subject.home, "queue");
  const directory = join(queue, part.part, folder === undefined ? "" : String(folder));
  // What is missing is a finding of the tree.
  if (lookAt(directory)?.isDirectory() !== true) return;
  for (const name of attempt(`read directory ${directory}`, () => readdirSync(directory))) {
    const path = join(directory, name);
    const found = lookAt(path);
    if (found === undefined || (found.isDirectory() && folder === undefined)) continue;
    if (!/^(0|[1-9]\d{0,19})$/.test(name) || !found.isFile()) {
      yield note("queue", path, "is no part of a message; it is left alone", `rm ${shellWord(path)}`);
      continue;
    }
    const id = BigInt(name);
    const at = Number(id % BigInt(folders));
    if (folder !== undefined && at !== folder)
      yield fault(
        "queue",
        path,
        `lies in folder ${folder}, and nobody looks for it but in ${at}`,
        stopped(`mv ${path} ${join(queue, part.part, String(at))}/`),
      );
    if (uid !== undefined && found.uid !== uid)
      yield fault(
        "queue",
        path,
        `belongs to ${nameOf(accountByUid(found.uid), found.uid)}, and should belong to ${nameOf(accountByUid(uid), uid)}`,
        `chown ${nameOf(accountByUid(uid), uid)} ${path}`,
      );
    if (part.part === "mess" && inodeOf(path) !== id)
      yield fault(
        "queue",
        path,
        "has another inode than its number, as after a copy: a new message may meet its parts",
        stopped("rename all parts of the message to the inode of its mess file"),
      );
    if (
      part.needs.length > 0 &&
      !part.needs.some((needed) => lookAt(placeOf(queue, needed, at, name)) !== undefined)
    )
      yield fault(
        "queue",
        path,
        `${part.lost} (there is no ${part.needs.join(" or ")} file)`,
        stopped(`mv ${path} away`),
      );
  }
}

const stopped = (what: string): string => `stop qmail-send, then: ${what}`;

const placeOf = (queue: string, part: string, folder: number, name: string): string =>
  join(queue, part, part === "todo" ? "" : String(folder), name);

/** The inode; undefined once the file is gone. */
function inodeOf(path: string): bigint | undefined {
  return attempt(`examine ${path}`, () => lstatSync(path, { bigint: true, throwIfNoEntry: false }))?.ino;
}

/** Whether somebody waits for new messages. */
function* listenerFindings({ home }: Subject): Findings {
  const trigger = join(home, "queue/lock/trigger");
  if (lookAt(trigger)?.isFIFO() !== true) return;
  try {
    closeSync(openSync(trigger, constants.O_WRONLY | constants.O_NONBLOCK));
  } catch (failure) {
    if (!isSystemError(failure, "ENXIO")) throw failure;
    yield note("queue", trigger, "nobody reads it: qmail-send is not running", `${home}/rc`);
  }
}
