/** Owners, modes and kinds of the home, of its queue and of its programs, beside the table of `qmail setup`. */
import { accessSync, constants, readdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { programs } from "../../../programs.ts";
import { isSystemError } from "../../exit.ts";
import { accountByUid } from "../../sys/passwd.ts";
import { splitOf } from "../mend.ts";
import { launcherKind, withoutLauncher } from "../setup/launcher.ts";
import { lookAt } from "../setup/step.ts";
import {
  homeLayout,
  idsOf,
  launcher,
  modeText,
  type Ownership,
  ownershipText,
  systemQueue,
  type TreeEntry,
} from "../setup/tree.ts";
import { shellWord } from "../shell.ts";
import { attempt } from "../trouble.ts";
import { type Findings, fault, nameOf, type Subject } from "./finding.ts";

const setIds = 0o6000;
const writableByOthers = 0o022;

/** Every directory, and the files and the FIFO in queue/lock. */
export function* treeFindings(subject: Subject): Findings {
  const ours = subject.system ? homeLayout : homeLayout.filter(({ path }) => !path.startsWith("man"));
  for (const entry of ours) yield* entryFindings(subject, entry, false);
  for (const entry of systemQueue(splitOf(subject.home))) yield* entryFindings(subject, entry, true);
}

function* entryFindings(subject: Subject, entry: TreeEntry, exact: boolean): Findings {
  const path = join(subject.home, entry.path);
  const found = lookAt(path);
  const again = subject.system ? "qmail setup" : `qmail init --home ${shellWord(subject.home)}`;
  if (found === undefined) yield fault("tree", path, "is missing", again);
  else if (entry.path === "" && found.isSymbolicLink()) return;
  else if (!{ directory: found.isDirectory(), file: found.isFile(), fifo: found.isFIFO() }[entry.kind])
    yield fault("tree", path, `is no ${entry.kind}`, `move it away, then: ${again}`);
  else {
    yield* ownerFindings(subject, path, entry, found);
    const mode = found.mode & 0o7777;
    const wrong = exact || subject.system ? mode !== entry.mode : (mode & writableByOthers) !== 0;
    if (wrong)
      yield fault(
        "tree",
        path,
        `has mode ${modeText(mode)}, and should have ${modeText(entry.mode)}`,
        `chmod ${modeText(entry.mode)} ${shellWord(path)}`,
      );
    if (entry.length !== undefined && entry.length > found.size)
      yield fault(
        "tree",
        path,
        `has ${found.size} bytes, and should have ${entry.length}`,
        `truncate -s ${entry.length} ${shellWord(path)}`,
      );
  }
}

function* ownerFindings(
  { system, owner }: Subject,
  path: string,
  wanted: Ownership,
  found: { uid: number; gid: number },
): Findings {
  const { uid, gid } = system ? idsOf(wanted) : { uid: owner.uid, gid: undefined };
  const right = system ? `${wanted.owner}:${wanted.group}` : owner.name;
  // Accounts that are missing are a finding of their own.
  if ((uid === undefined || found.uid === uid) && (gid === undefined || found.gid === gid)) return;
  const actual = `${nameOf(accountByUid(found.uid), found.uid)}${system ? `, group ${found.gid}` : ""}`;
  yield fault(
    "tree",
    path,
    `belongs to ${actual}, and should belong to ${right}`,
    `chown ${right} ${shellWord(path)}`,
  );
}

/** The programs: all there, none with rights that its caller does not have, and the way into the queue open. */
export function* programFindings(subject: Subject): Findings {
  const bin = join(subject.home, "bin");
  if (lookAt(bin)?.isDirectory() !== true) return;
  const again = subject.system ? "qmail setup" : `qmail init --home ${shellWord(subject.home)}`;
  for (const { name } of programs) {
    const path = join(bin, name);
    if (lookAt(path) === undefined) yield fault("programs", path, "is missing", again);
    else if (!isExecutable(path))
      yield fault("programs", path, "cannot be executed: it leads to no program", again);
  }
  for (const name of attempt(`read directory ${bin}`, () => readdirSync(bin)).sort())
    yield* rightsFindings(subject, join(bin, name), name);
  if (subject.system) yield* launcherFindings(subject);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (failure) {
    if (isSystemError(failure)) return false;
    throw failure;
  }
}

function* rightsFindings({ system, owner }: Subject, path: string, name: string): Findings {
  const found = lookAt(path);
  if (found === undefined || found.isSymbolicLink()) return;
  const permitted = system && name === "qmail-queue";
  if ((found.mode & setIds) !== 0 && !permitted)
    yield fault(
      "programs",
      path,
      "has a set-user-id bit, by which any user can run code of their own with its owner's rights",
      `chmod u-s,g-s ${shellWord(path)}`,
    );
  const may = system ? [0, idsOf(launcher).uid] : [0, owner.uid];
  if ((found.mode & writableByOthers) !== 0 || !may.includes(found.uid))
    yield fault(
      "programs",
      path,
      "can be changed by others than its rightful owner",
      `chown ${system ? "root:qmail" : owner.name} ${shellWord(path)}; chmod go-w ${shellWord(path)}`,
    );
}

function* launcherFindings({ home }: Subject): Findings {
  const path = join(home, "bin/qmail-queue");
  const kind = launcherKind({ prefix: "", home });
  if (kind === "absent") return;
  if (kind === "link") {
    yield fault(
      "programs",
      path,
      `is not the launcher: ${withoutLauncher}`,
      "install a C compiler, then: qmail setup",
    );
    return;
  }
  const found = lookAt(path);
  const { uid } = idsOf(launcher);
  if (found !== undefined && (found.uid !== uid || (found.mode & 0o7777) !== launcher.mode))
    yield fault(
      "programs",
      path,
      `is not ${ownershipText(launcher)}: users cannot put mail into the queue, or can do more than that`,
      `chown ${launcher.owner}:${launcher.group} ${path}; chmod ${modeText(launcher.mode)} ${path}`,
    );
  if (isNosuid(path))
    yield fault(
      "programs",
      path,
      "lies on a file system that is mounted nosuid, where its set-user-id bit has no effect",
      "mount it with the option suid",
    );
}

/** Whether the file system of a path ignores set-user-id bits: the option of the mount with the longest directory. */
function isNosuid(path: string): boolean {
  const mounts = attempt("read /proc/self/mounts", () => readFileSync("/proc/self/mounts", "latin1"))
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, directory = "", , options = ""]) => ({ directory: unescaped(directory), options }));
  const holder = mounts
    .filter(
      ({ directory }) =>
        path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`),
    )
    // Of mounts on top of one another the last counts.
    .reduce((best, mount) => (mount.directory.length >= best.directory.length ? mount : best), {
      directory: "",
      options: "",
    });
  return holder.options.split(",").includes("nosuid");
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

const leastBytes = 64 << 20;
const leastShare = 0.01;

/** Room on the file system of the queue, in bytes and in files. */
export function* spaceFindings({ home }: Subject): Findings {
  const queue = join(home, "queue");
  if (lookAt(queue) === undefined) return;
  const { bsize, blocks, bavail, files, ffree } = attempt(`examine ${queue}`, () => statfsSync(queue));
  const free = bavail * bsize;
  if (free < leastBytes || bavail < blocks * leastShare)
    yield fault(
      "space",
      queue,
      `has room for ${Math.floor(free / (1 << 20))} MB only`,
      "make room, or more of it",
    );
  // Some file systems have no limit of files, and say 0.
  if (files > 0 && ffree < files * leastShare)
    yield fault(
      "space",
      queue,
      `has room for ${ffree} files only`,
      "remove files, or make the file system anew with more",
    );
}
