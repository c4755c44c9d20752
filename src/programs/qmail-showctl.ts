/** qmail-showctl(8): what the control files say, or mean by not being there. */
import { readdirSync, statSync } from "node:fs";
import { controlLine, controlLines } from "../core/control/control.ts";
import { type ControlFile, controlFiles, furtherFiles, idleMorercpthosts } from "../core/control/files.ts";
import { Exit, isSystemError } from "../core/exit.ts";
import { defaultSplit, queueSplit } from "../core/queue/paths.ts";
import { Writer } from "../core/sys/fd.ts";
import { inHome, qmailHome, standardHome } from "../core/sys/home.ts";
import { groupGid, type Role, type RoleGroup, roleUid } from "../core/sys/roles.ts";

const delimiter = "-";
const paternalism = 2;
const spawnLimit = 120;
const database = "morercpthosts.cdb";
const known: ReadonlySet<string> = new Set([database, ...controlFiles.map(([name]) => name)]);
const users: readonly Role[] = ["alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails"];
const groups: readonly RoleGroup[] = ["nofiles", "qmail"];

export function main(): number {
  const out = new Writer(1);
  try {
    show(out);
  } finally {
    out.flush();
  }
  return 0;
}

function show(out: Writer): void {
  // Users first: where one is missing nothing is shown.
  const ids = `user ids: ${users.map(uidOf).join(", ")}.\ngroup ids: ${groups.map(gidOf).join(", ")}.\n`;
  out.write(bytesOf(`qmail home directory: ${qmailHome()}.\n`));
  out.write(`user-ext delimiter: ${delimiter}.\npaternalism (in decimal): ${paternalism}.\n`);
  out.write(`silent concurrency limit: ${spawnLimit}.\nsubdirectory split: ${split()}.\n${ids}`);
  const names = enterControl(out);
  const me = readMe(out);
  for (const [name, file] of controlFiles) {
    const idle = name === "morercpthosts" && changed("rcpthosts") === undefined;
    out.write(`\n${name}: ${describe(name, idle ? idleMorercpthosts : file, me)}\n`);
    if (name === "morercpthosts") out.write(`\n${database}: ${describeDatabase()}\n`);
  }
  for (const name of names.filter((found) => !known.has(found))) {
    const file = furtherFiles.get(name);
    out.write(`\n${name}: ${file ? describe(name, file, me) : "I have no idea what this file does."}\n`);
  }
}

const bytesOf = (text: string): Buffer => Buffer.from(text);

/** In a private home nobody but its owner runs anything. */
function uidOf(user: Role): number {
  return idOf(`user ${user}`, roleUid(user), "uid");
}

function gidOf(group: RoleGroup): number {
  return idOf(`group ${group}`, groupGid(group), "gid");
}

function idOf(what: string, found: number | undefined, kind: "uid" | "gid"): number {
  if (found !== undefined) return found;
  if (qmailHome() === standardHome) throw new Exit(111, `fatal: unable to find ${what}\n`);
  return statSync(inHome("queue"), { throwIfNoEntry: false })?.[kind] ?? process.getuid?.() ?? 0;
}

/** The split of the queue; of a queue that we may not look into, the usual one. */
function split(): number {
  try {
    return queueSplit();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return defaultSplit;
  }
}

/** The names in control, as bytes. */
function enterControl(out: Writer): string[] {
  attempt(out, `Oops! Unable to chdir to ${qmailHome()}.\n`, () => statSync(inHome(".")));
  attempt(out, "Oops! Unable to chdir to control.\n", () => statSync(inHome("control", ".")));
  return attempt(out, "Oops! Unable to open current directory.\n", () =>
    readdirSync(inHome("control"), { encoding: "buffer" }).map((name) => name.toString("latin1")),
  );
}

const readMe = (out: Writer): Buffer | undefined =>
  attempt(out, "Oops! Trouble reading control/me.", () => controlLine("me"));

function attempt<T>(out: Writer, oops: string, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    out.write(bytesOf(oops));
    throw new Exit(111);
  }
}

/** What a control file says. Its lines but the last end with a line feed. */
function describe(name: string, file: ControlFile, me: Buffer | undefined): string {
  try {
    if (file.kind === "list") return describeList(controlLines(name), file);
    const line = controlLine(name);
    return file.kind === "number" ? describeNumber(line, file) : describeText(line, file, me);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return "Oops! Trouble reading this file.";
  }
}

type Of<Kind extends ControlFile["kind"]> = Extract<ControlFile, { kind: Kind }>;

function describeNumber(line: Buffer | undefined, { value, before, after }: Of<"number">): string {
  const digits = /^\d+/.exec(line?.toString("latin1") ?? "")?.[0];
  if (digits === undefined) return `(Default.) ${before}${value}${after}.`;
  // The daemons have it in an int; what does not fit there means nothing.
  const wrapped = BigInt.asIntN(32, BigInt(digits));
  return `${before}${wrapped < 0n ? 0n : wrapped}${after}.`;
}

function describeText(line: Buffer | undefined, file: Of<"text">, me: Buffer | undefined): string {
  if (line !== undefined) return `${file.before}${printable(line)}.`;
  const value = file.me && me !== undefined ? printable(me) : file.value;
  return `(Default.) ${file.before}${value}.`;
}

function describeList(lines: Buffer[] | undefined, { none, before, after }: Of<"list">): string {
  if (lines === undefined) return `(Default.) ${none}`;
  return ["", ...lines.map((line) => `${before}${printable(line)}${after}`)].join("\n");
}

/** Whether morercpthosts.cdb was made from the morercpthosts that is there. */
function describeDatabase(): string {
  const source = changed("morercpthosts");
  const made = changed(database);
  if (source === undefined)
    return made === undefined
      ? "(Default.) No effect."
      : `Oops! ${database} exists but morercpthosts doesn't.`;
  if (made === undefined) return `Oops! morercpthosts exists but ${database} doesn't.`;
  return source > made
    ? `Oops! ${database} is older than morercpthosts.`
    : "Modified recently enough; hopefully up to date.";
}

/** When a control file was changed, in seconds; undefined if there is none. */
function changed(name: string): number | undefined {
  const stat = statSync(inHome("control", name), { throwIfNoEntry: false });
  return stat && Math.floor(stat.mtimeMs / 1000);
}

const printable = (line: Buffer): string => line.toString("latin1").replace(/[^ -~]/g, "?");
