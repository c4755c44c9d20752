/** Delivering to Maildirs, reading them, and what happens where something is missing. */
import { expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { deliverToMaildir, MaildirFailure } from "../../../src/core/maildir/deliver.ts";
import { uniqueName } from "../../../src/core/maildir/name.ts";
import { cleanTemporary, scanMaildir, UnreadableFolder } from "../../../src/core/maildir/scan.ts";
import { Scratch } from "../../helpers/built.ts";

class Maildir extends Scratch {
  constructor() {
    super();
    for (const folder of ["tmp", "new", "cur"]) mkdirSync(this.in("M", folder), { recursive: true });
  }
  deliver(input = this.write("message", "body\n")): string | string[] {
    const fd = openSync(input, "r");
    try {
      return deliverToMaildir(this.in("M"), Buffer.from("H: 1\n"), fd);
    } catch (failure) {
      if (!(failure instanceof MaildirFailure)) throw failure;
      return [failure.step, failure.cause?.code ?? ""];
    } finally {
      closeSync(fd);
    }
  }
}

test("a message is header and body, in new and not in tmp", () => {
  using maildir = new Maildir();
  const name = maildir.deliver();
  expect(name).toMatch(/^new\/\d+\.\d+\.[^/:]+$/);
  expect(maildir.read(`M/${name}`)).toBe("H: 1\nbody\n");
  expect(readdirSync(maildir.in("M/tmp"))).toEqual([]);
});

test("hundred deliveries in a second have hundred names", () => {
  using maildir = new Maildir();
  for (let count = 0; count < 100; count++) maildir.deliver();
  expect(readdirSync(maildir.in("M/new"))).toHaveLength(100);
});

test("names are never repeated, not even by a clock that goes back", () => {
  const times = [2e9, 2e9, 2e9 - 5, 2e9 - 5, 2e9, 2e9 + 1, 2e9];
  const names = new Set(times.map((time) => uniqueName(time)));
  expect(names.size).toBe(times.length);
  for (const name of names) expect(name).toMatch(/^\d+\.\d+\.[^/:]+$/);
});

/** What is missing; the step that fails, and why. */
const missing: readonly (readonly [string, string[]])[] = [
  ["M", ["directory", "ENOENT"]],
  ["M/tmp", ["write", "ENOENT"]],
  ["M/new", ["write", "ENOENT"]],
];
for (const [name, failure] of missing) {
  test(`without ${name}: ${failure}, and nothing in tmp`, () => {
    using maildir = new Maildir();
    rmSync(maildir.in(name), { recursive: true });
    expect(maildir.deliver()).toEqual(failure);
    if (name === "M/new") expect(readdirSync(maildir.in("M/tmp"))).toEqual([]);
  });
}

test("a file in the place of the Maildir", () => {
  using maildir = new Maildir();
  rmSync(maildir.in("M"), { recursive: true });
  maildir.write("M", "");
  expect(maildir.deliver()).toEqual(["directory", "ENOTDIR"]);
});

test("a message that can not be read", () => {
  using maildir = new Maildir();
  expect(maildir.deliver(maildir.path)).toEqual(["read", "EISDIR"]);
  expect(readdirSync(maildir.in("M/tmp"))).toEqual([]);
  expect(readdirSync(maildir.in("M/new"))).toEqual([]);
});

test("messages by age, then by name; dots, and those of this second, do not count", () => {
  using maildir = new Maildir();
  const at = (name: string | Buffer, time: number) => {
    const path = Buffer.concat([Buffer.from(maildir.in("M/")), Buffer.from(name as string)]);
    writeFileSync(path, "x");
    utimesSync(path, time, time);
  };
  at("cur/b:2,S", 100);
  at("new/z", 50);
  at(Buffer.from([0x6e, 0x65, 0x77, 0x2f, 0xff, 0x0a]), 100);
  at("new/a", 100);
  at("new/.hidden", 10);
  at("new/now", 200);
  const found = scanMaildir(Buffer.from(maildir.in("M")), ["new", "cur"], 200);
  expect(Array.from(found, ({ path }) => path.toString("latin1"))).toEqual([
    "new/z",
    "cur/b:2,S",
    "new/a",
    "new/\xff\n",
  ]);
  expect([...found][0]).toMatchObject({ modified: 50, size: 1 });
});

test("the list of many messages is whole, whatever their names, and small", () => {
  using maildir = new Maildir();
  const count = 5000;
  const name = (number: number): string => `${number % 7}${"x".repeat(number % 250)}.${number}`;
  for (let number = 0; number < count; number++) {
    const path = maildir.in("M/new", name(number));
    writeFileSync(path, "");
    utimesSync(path, 1000 + (number % 3), 1000 + (number % 3));
  }
  const found = scanMaildir(Buffer.from(maildir.in("M")), ["new"], 2000);
  const keyed = Array.from(found, ({ path, modified }) => `${modified} ${path}`);
  expect(keyed).toEqual(
    Array.from({ length: count }, (_, number) => `${1000 + (number % 3)} new/${name(number)}`).sort(),
  );
  expect(found.length).toBe(count);
});

test("a file is as large as it is", () => {
  using maildir = new Maildir();
  const sizes = [0, 1, 4096, 3 * 2 ** 32 + 5];
  for (const [number, size] of sizes.entries()) {
    maildir.write(`M/new/${number}`, "");
    truncateSync(maildir.in(`M/new/${number}`), size);
  }
  const found = scanMaildir(Buffer.from(maildir.in("M")), ["new"], 2 ** 32);
  expect(Array.from(found, (_, index) => found.size(index))).toEqual(sizes);
});

test("a Maildir without cur can not be scanned", () => {
  using maildir = new Maildir();
  rmSync(maildir.in("M/cur"), { recursive: true });
  const scan = () => scanMaildir(Buffer.from(maildir.in("M")), ["new", "cur"]);
  expect(scan).toThrow(UnreadableFolder);
  expect(scan).toThrow("unable to scan $MAILDIR/cur: file does not exist");
});

test("what nobody touched in tmp for 36 hours goes", () => {
  using maildir = new Maildir();
  for (const [name, age] of [
    ["old", 129_601],
    ["young", 129_600],
    [".dot", 200_000],
  ] as const) {
    maildir.write(`M/tmp/${name}`, "");
    utimesSync(maildir.in("M/tmp", name), 1e9 - age, 1e9 - age);
  }
  mkdirSync(maildir.in("M/tmp/directory"));
  utimesSync(maildir.in("M/tmp/directory"), 1, 1);
  cleanTemporary(Buffer.from(maildir.in("M")), 1e9);
  expect(readdirSync(maildir.in("M/tmp")).sort()).toEqual([".dot", "directory", "young"]);
  cleanTemporary(Buffer.from(maildir.in("nowhere")));
});
