/** What qmail-send asks for is removed in the order that leaves a state of INTERNALS after each step. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, utimesSync } from "node:fs";
import { Cleaning } from "../../../src/core/queue/cleaning.ts";
import type { QueueDirectory } from "../../../src/core/queue/paths.ts";
import { Scratch } from "../../helpers/built.ts";

const scratch = new Scratch();
const home = process.env.QMAILHOME;
afterAll(() => {
  scratch[Symbol.dispose]();
  if (home === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = home;
});
beforeEach(() => {
  process.env.QMAILHOME = scratch.path;
});

/** A Cleaning, and the files it names, in order. `stuck` cannot be removed. */
function watched(stuck: QueueDirectory | "none" = "none", asks = false) {
  const named: string[] = [];
  const cleaning = new Cleaning((directory, id) => {
    named.push(`${directory}/${id}`);
    const path = scratch.in("queue", directory, `${id}`);
    if (directory === stuck) mkdirSync(path, { recursive: true });
    return path;
  }, asks);
  return { named, ask: (request: string) => cleaning.answer(request) };
}

test("a message that goes straight from todo: intd, todo, mess, each once", () => {
  const { named, ask } = watched();
  expect([ask("todo/30"), ask("foop/30")]).toEqual(["+", "+"]);
  expect(named).toEqual(["intd/30", "todo/30", "mess/30"]);
});

test("a number that comes again is another message", () => {
  const { named, ask } = watched();
  for (const request of ["todo/30", "foop/30", "foop/30", "todo/30", "todo/30"]) ask(request);
  const second = ["intd/30", "mess/30", "intd/30", "todo/30", "intd/30", "todo/30"];
  expect(named.slice(3)).toEqual(second);
});

test("what cannot be removed keeps what comes after it", () => {
  const { named, ask } = watched("intd");
  expect([ask("todo/31"), ask("foop/31")]).toEqual(["!", "!"]);
  expect(named).toEqual(["intd/31", "intd/31"]);
  const stuckInTodo = watched("todo");
  expect([stuckInTodo.ask("todo/32"), stuckInTodo.ask("foop/32")]).toEqual(["!", "+"]);
  expect(stuckInTodo.named).toEqual(["intd/32", "todo/32", "intd/32", "mess/32"]);
});

test("what came into todo while it was taken for dead keeps its text, where that is asked; what just left it does not", () => {
  scratch.write("queue/todo/33", "");
  scratch.write("queue/mess/33", "");
  const { named, ask } = watched("none", true);
  expect(ask("foop/33")).toBe("+");
  expect(named.splice(0)).toEqual(["intd/33", "todo/33"]);
  expect(existsSync(scratch.in("queue/mess/33"))).toBe(true);
  for (const request of ["todo/33", "foop/33"]) ask(request);
  expect(named.splice(0)).toEqual(["intd/33", "todo/33", "mess/33"]);
  ask("foop/34");
  expect(named).toEqual(["intd/34", "todo/34", "mess/34"]);
});

test("where nobody can say whether todo has it, it keeps its text, and that is said", () => {
  scratch.write("queue/mess/35", "");
  scratch.write("queue/file", "");
  const cleaning = new Cleaning(
    (directory, id) => scratch.in("queue", directory === "todo" ? "file" : directory, `${id}`),
    true,
  );
  expect(cleaning.answer("foop/35")).toBe("!");
  expect(existsSync(scratch.in("queue/mess/35"))).toBe(true);
});

test("thousands of messages that have left todo, and stay in mess, are forgotten at some time", () => {
  const { named, ask } = watched();
  for (let id = 1001; id <= 2025; id++) ask(`todo/${id}`);
  named.length = 0;
  ask("foop/1001");
  ask("foop/2025");
  expect(named).toEqual(["intd/1001", "mess/1001", "mess/2025"]);
});

test("old files in pid go at the start, and again after 31 requests", () => {
  const old = (): string => {
    const path = scratch.write("queue/pid/1.1.1", "");
    utimesSync(path, 1, 1);
    return path;
  };
  old();
  const { ask } = watched();
  const path = scratch.in("queue/pid/1.1.1");
  expect(existsSync(path)).toBe(false);
  old();
  for (let count = 0; count < 30; count++) ask("foop/7");
  expect(existsSync(path)).toBe(true);
  ask("foop/7");
  expect(existsSync(path)).toBe(false);
});
