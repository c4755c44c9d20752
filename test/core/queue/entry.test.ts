/** What is in the queue at each step of an entry, and after it was given up. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { Entry } from "../../../src/core/queue/entry.ts";
import { QueueHome } from "../../helpers/queue-home.ts";

let home: QueueHome;
let saved: string | undefined;
beforeEach(() => {
  saved = process.env.QMAILHOME;
  home = new QueueHome();
  process.env.QMAILHOME = home.path;
});
afterEach(() => {
  home[Symbol.dispose]();
  if (saved === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = saved;
});

const directories = (): string[] => home.left().map((path) => path.split("/")[0] ?? "");
const now = Math.floor(Date.now() / 1000);

test("S2, S3, S4", () => {
  const entry = new Entry(now);
  expect(directories()).toEqual(["mess"]);
  entry.message("m");
  entry.beginEnvelope();
  expect(directories()).toEqual(["intd", "mess"]);
  entry.envelope("e");
  entry.commit();
  expect(directories()).toEqual(["intd", "mess", "todo"]);
  expect(home.read(`queue/mess/${Number(entry.id) % 23}/${entry.id}`)).toBe("m");
  expect(home.read(`queue/todo/${entry.id}`)).toBe("e");
  entry.abandon();
  expect(directories()).toEqual(["intd", "mess", "todo"]);
});

test("given up in S2 and in S3, nothing is left", () => {
  new Entry(now).abandon();
  expect(home.left()).toEqual([]);
  const entry = new Entry(now);
  entry.beginEnvelope();
  entry.abandon();
  expect(home.left()).toEqual([]);
});

test("an orphan in intd with our number does not stop mail", () => {
  const entry = new Entry(now);
  writeFileSync(home.in("queue/intd", String(entry.id)), "u1\0p1\0Fold\0Told\0");
  entry.beginEnvelope();
  entry.envelope("new");
  entry.commit();
  expect(home.read(`queue/todo/${entry.id}`)).toBe("new");
});

test("a todo with our number refuses the message, and stays", () => {
  const entry = new Entry(now);
  writeFileSync(home.in("queue/todo", String(entry.id)), "old");
  entry.beginEnvelope();
  expect(() => entry.commit()).toThrow("exit 66");
  entry.abandon();
  expect(home.left()).toEqual([`todo/${entry.id}`]);
});

test("two entries at once have their own numbers", () => {
  const entries = [new Entry(now), new Entry(now)];
  expect(entries[0]?.id).not.toBe(entries[1]?.id);
  for (const entry of entries) entry.abandon();
  expect(home.left()).toEqual([]);
});

test("a refused entry leaves no descriptor open", () => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  const attempt = (spoil: (id: bigint) => void): void => {
    const entry = new Entry(now);
    spoil(entry.id);
    entry.beginEnvelope();
    expect(() => entry.commit()).toThrow("exit 66");
    entry.abandon();
  };
  const before = open();
  for (let round = 0; round < 3; round++) {
    attempt((id) => writeFileSync(home.in("queue/todo", String(id)), "old"));
    new Entry(now).abandon();
  }
  expect(open()).toBe(before);
});
