/**
 * Runs a group: in namespaces of its own, as a process of its own, which prints a line of JSON for each row.
 *
 *   unshare --mount ... bun test/interop/play.ts GROUP WORK-DIRECTORY quick|usual|long
 */
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unshare } from "../helpers/namespace.ts";
import { patience } from "../helpers/patience.ts";
import type { Group, Row } from "./rows/row.ts";

/** What became of a row. */
export interface Played {
  direction: string;
  /** What is shown in the table. */
  words: string;
  /** What went wrong, at length; absent if nothing did. */
  failure?: string;
}

const short = (text: string): string => (text.split("\n").find((line) => line !== "") ?? "").slice(0, 100);

/** `quick`: without what is left to others. `long`: the rows that take their time take a minute. */
type Form = "quick" | "usual" | "long";

/** Runs a group's rows that have all they need; what became of them, by direction. */
export async function runGroup(group: Group, form: Form): Promise<Map<string, Played>> {
  const { outside } = group;
  if (outside === undefined) return await runInside(group, form);
  const results = new Map<string, Played>();
  for (const row of group.rows) results.set(row.direction, await played(row, () => outside(row)));
  return results;
}

/** What became of a row. */
async function played({ direction }: Row, check: () => Promise<string>): Promise<Played> {
  try {
    return { direction, words: await check() };
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { direction, words: short(error instanceof Error ? error.message : failure), failure };
  }
}

async function runInside(group: Group, form: Form): Promise<Map<string, Played>> {
  const work = mkdtempSync(join(tmpdir(), "qmail-interop-"));
  const words = [process.execPath, import.meta.path, group.name, work, form];
  const child = Bun.spawn(["unshare", "--uts", ...unshare, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  rmdirSync(work);
  const played = out
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Played);
  const results = new Map(played.map((each) => [each.direction, each]));
  let reason = `the group ended before it: exit ${code}\n${err}`;
  for (const { direction } of group.rows)
    if (!results.has(direction)) {
      const words = "the group ended before it";
      results.set(direction, { direction, words, failure: reason });
      reason = "see above";
    }
  return results;
}

/** No row takes so long, in milliseconds, on whatever machine: it waits for nothing longer than the tests' patience. */
const longest = 4 * patience * 1000;

/** What never ends must not stop the others. */
async function inTime(check: Promise<string>): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.reject(new Error("it does not end")), longest);
  try {
    return await Promise.race([check, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function play(name: string, work: string, form: string): Promise<void> {
  const [{ groups }, { isLeft }, { lacking }, { World }] = [
    await import("./groups.ts"),
    await import("./left.ts"),
    await import("./rows/row.ts"),
    await import("./rows/world.ts"),
  ];
  const group = groups.find((each) => each.name === name);
  if (group === undefined) throw new Error(`no group ${name}`);
  const world = new World(work, group.unpacked, form === "long");
  await inTime(Promise.resolve(group.open?.(world)).then(() => ""));
  for (const row of group.rows) {
    const { check } = row;
    if (check === undefined || lacking(group, row) !== undefined) continue;
    if (form === "quick" && isLeft(group, row)) continue;
    const result = await played(row, () => inTime(check(world)));
    await world.clean();
    console.log(JSON.stringify(result));
  }
  await world.stop();
}

if (import.meta.main) {
  const [name = "", work = "", form = "usual"] = process.argv.slice(2);
  await play(name, work, form);
  // What a row has left running ends with the namespaces.
  process.exit();
}
