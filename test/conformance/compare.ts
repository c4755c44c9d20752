/** Holding what was observed against what was recorded. */
import type { Capture } from "./capture.ts";
import type { Entry } from "./files.ts";
import { bytesOf, type Case, type Command, type FileExpectation, field } from "./format.ts";
import { type Moment, mismatch } from "./pattern.ts";
import type { Exit } from "./program.ts";
import type { QueueFile } from "./queue.ts";

/** Everything a run left; strings are latin1. */
export interface Observed {
  exit: Exit;
  stdout?: string;
  stderr?: string;
  queued: Capture[];
  files?: (Entry | { path: string; removed: true })[];
  queue: Record<string, QueueFile[]>;
  servers?: (string | null)[];
  log?: string;
  commands?: Command[];
  clean?: string[];
}

/** One thing that differs. */
export interface Problem {
  what: string;
  expected: string;
  actual: string;
  /** Offset in `actual` where it begins, if it is a byte string. */
  at?: number;
}

/** All differences; none: the case passed. */
export function compare(test: Case, observed: Observed, moment: Moment): Problem[] {
  const { expect } = test;
  const problems: Problem[] = [];
  const ignored = test.ignore ?? [];
  const text = (what: string, expected: string | undefined, actual: string | undefined) => {
    if (expected === undefined || ignored.includes(what)) return;
    const at = actual === undefined ? 0 : mismatch(expected, actual, moment);
    if (at >= 0) problems.push({ what, expected, actual: actual ?? "(nothing)", at });
  };
  const list = <E, A>(
    what: string,
    expected: readonly E[],
    actual: readonly A[],
    same: (e: E, a: A) => boolean,
  ) => {
    if (!ignored.includes(what)) problems.push(...listProblems(what, expected, actual, same));
  };
  if (expect.exit !== observed.exit && !ignored.includes("exit"))
    problems.push({ what: "exit", expected: String(expect.exit), actual: String(observed.exit) });
  for (const name of ["stdout", "stderr", "log"] as const) text(name, field(expect, name), observed[name]);
  if (expect.queued !== undefined) {
    if (expect.queued.length !== observed.queued.length)
      list("queued", expect.queued, observed.queued, () => false);
    else
      for (const [index, capture] of expect.queued.entries()) {
        text(`queued ${index} envelope`, field(capture, "envelope"), observed.queued[index]?.envelope);
        text(`queued ${index} message`, field(capture, "message"), observed.queued[index]?.message);
      }
  }
  const seen = observed.servers ?? [];
  text("server_saw", field(expect, "server_saw"), seen[0] ?? "");
  for (const [index, saw] of (expect.servers_saw ?? []).entries()) {
    if (saw !== null) text(`servers_saw ${index}`, bytesOf(saw), seen[index] ?? "(no connection)");
    else if (typeof seen[index] === "string")
      problems.push({ what: `servers_saw ${index}`, expected: "no connection", actual: seen[index] });
  }
  const file = (expected: FileExpectation, actual: FileExpectation | Entry) =>
    sameFile(expected, actual, moment);
  if (expect.files !== undefined) list("files", expect.files, observed.files ?? [], file);
  if (expect.queue !== undefined || expect.queue_left !== undefined) {
    const parts = expect.exit !== 0 && expect.queue !== undefined ? ["todo"] : allParts;
    const wanted = expect.queue ?? expect.queue_left ?? {};
    for (const part of parts) list(`queue ${part}`, wanted[part] ?? [], observed.queue[part] ?? [], file);
  }
  if (expect.commands !== undefined)
    inOrder("commands", expect.commands, observed.commands ?? [], sameCommand);
  if (expect.clean !== undefined)
    inOrder("clean", expect.clean, observed.clean ?? [], (a, b) => mismatch(bytesOf(a), b, moment) < 0);
  return problems;

  function inOrder<E, A>(
    what: string,
    wanted: readonly E[],
    got: readonly A[],
    same: (e: E, a: A) => boolean,
  ): void {
    const fits = wanted.length === got.length && wanted.every((item, index) => same(item, got[index] as A));
    if (!fits) list(what, wanted, got, () => false);
  }
}

const allParts = ["bounce", "info", "intd", "local", "mess", "pid", "remote", "todo"];

/** Pairs expected and actual items in any order and tells what remains on both sides. */
function listProblems<E, A>(
  what: string,
  expected: readonly E[],
  actual: readonly A[],
  same: (expected: E, actual: A) => boolean,
): Problem[] {
  const extra = [...actual];
  const missing = expected.filter((wanted) => {
    const index = extra.findIndex((item) => same(wanted, item));
    if (index >= 0) extra.splice(index, 1);
    return index < 0;
  });
  if (missing.length === 0 && extra.length === 0) return [];
  return [{ what, expected: lines(missing), actual: lines(extra) }];
}

const lines = (items: readonly unknown[]): string =>
  items.map((item) => JSON.stringify(item)).join("\n") || "(nothing)";

function sameFile(expected: FileExpectation, actual: FileExpectation | Entry, moment: Moment): boolean {
  const content = field(expected, "content");
  const got = actual as FileExpectation;
  return (
    (expected.path === undefined || mismatch(expected.path, samePlace(got.path ?? ""), moment) < 0) &&
    (content === undefined || mismatch(content, got.content ?? "", moment) < 0) &&
    (expected.mode === undefined || expected.mode === got.mode) &&
    (expected.removed ?? false) === (got.removed ?? false) &&
    (expected.type === undefined || expected.type === got.type) &&
    (expected.split_ok === undefined || expected.split_ok === got.split_ok) &&
    (expected.next_minus_birth === undefined || expected.next_minus_birth === got.next_minus_birth)
  );

  /** Paths start with {{QMAIL}} in the recording, and so do ours. */
  function samePlace(path: string): string {
    return path.replace("{{QMAIL}}", moment.words.QMAIL ?? "");
  }
}

function sameCommand(expected: Command, actual: Command): boolean {
  return (
    expected.channel === actual.channel &&
    expected.delnum === actual.delnum &&
    expected.split_ok === actual.split_ok &&
    field(expected, "sender") === actual.sender &&
    field(expected, "recip") === actual.recip
  );
}
