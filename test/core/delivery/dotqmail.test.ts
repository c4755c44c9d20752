/** Instructions, and which .qmail file is taken. */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import {
  findDotQmail,
  forwardingSender,
  instructions,
  safeExtension,
} from "../../../src/core/delivery/dotqmail.ts";
import { Exit } from "../../../src/core/exit.ts";
import { Scratch } from "../../helpers/built.ts";

const start = process.cwd();
afterEach(() => process.chdir(start));

/** What a piece of code gives, or the text with which it fails. */
function outcome(work: () => string): string {
  try {
    return work();
  } catch (failure) {
    if (!(failure instanceof Exit)) throw failure;
    return `${failure.code} ${failure.text.trim()}`;
  }
}

const blank = "111 Uh-oh: first line of .qmail file is blank. (#4.2.1)";
const texts: readonly (readonly [string, string])[] = [
  ["", blank],
  ["\n", blank],
  [" \t\n./x\n", blank],
  ["\0x\n", blank],
  ["# c\n\n \n./x", "mbox ./x"],
  ["./a/ \t\n", "maildir ./a/"],
  ["/a/b\n.c\n", "mbox /a/b;mbox .c"],
  ["./a\0/\n", "maildir ./a"],
  ["|a b \n|\n", "program a b;program "],
  ["&a@b\na@b\n&\n&&a\n", "forward a@b;forward a@b;forward ;forward &a"],
  ["+list\n+list\0x\n+list x\n+\n", "list;list"],
  [" ./x\n\r\n", "forward  ./x;forward \r"],
];
for (const [text, expected] of texts) {
  test(`instructions in ${JSON.stringify(text)}`, () => {
    const told = outcome(() =>
      [...instructions(Buffer.from(text))]
        .map((step) => (step.kind === "list" ? "list" : `${step.kind} ${step.argument}`))
        .join(";"),
    );
    expect(told).toBe(expected);
  });
}

test("what is described is the whole line, what is done ends at a NUL", () => {
  const [step] = [...instructions(Buffer.from("&a\0b \n"))];
  expect(step).toEqual({ kind: "forward", argument: Buffer.from("a"), shown: Buffer.from("a\0b") });
});

test("an extension leads nowhere else and has small letters", () => {
  expect(safeExtension(Buffer.from("A.b/../C\xc9", "latin1")).toString("latin1")).toBe("a:b/::/c\xc9");
});

const nobody = "100 Sorry, no mailbox here by that name. (#5.1.1)";
/** Files that are there; dash; extension; the file that is taken and what `default` stands for. */
const searches: readonly (readonly [string, string, string, string])[] = [
  ["", "", "", "none"],
  ["", "-", "a", nobody],
  ["", "-", "", nobody],
  [".qmail", "-", "a", nobody],
  [".qmail .qmail-default", "", "", ".qmail"],
  [".qmaildefault", "", "x", ".qmaildefault=x"],
  [".qmail-a-b .qmail-a-default .qmail-default", "-", "a-b", ".qmail-a-b"],
  [".qmail-a-default .qmail-default", "-", "a-b", ".qmail-a-default=b"],
  [".qmail-a-default .qmail-default", "-", "A-B", ".qmail-a-default=B"],
  [".qmail-a-default .qmail-default", "-", "a", ".qmail-default=a"],
  [".qmail-a-default .qmail-default", "-", "a-", ".qmail-a-default="],
  [".qmail-a-b-default .qmail-a-default", "-", "a-b-c-d", ".qmail-a-b-default=c-d"],
  [".qmail-default", "-", "DEFAULT", ".qmail-default=DEFAULT"],
  [".qmail-x-default", "-", "x-default", ".qmail-x-default=default"],
  [".qmail-a:b", "-", "a.b", ".qmail-a:b"],
  [".qmail-default", "-", "x".repeat(300), `.qmail-default=${"x".repeat(300)}`],
];
for (const [files, dash, extension, expected] of searches) {
  test(`${dash}${extension.slice(0, 20)} among ${files || "nothing"}`, () => {
    using home = new Scratch();
    for (const name of files.split(" ").filter(Boolean)) home.write(name, `# ${name}`);
    process.chdir(home.path);
    const told = outcome(() => {
      const found = findDotQmail({ dash: Buffer.from(dash), extension: Buffer.from(extension) });
      if (found === undefined) return "none";
      const name = found.text.toString().slice(2);
      return found.matched === undefined ? name : `${name}=${found.matched}`;
    });
    expect(told).toBe(expected);
  });
}

test("a .qmail file that others may write in ends the search, a directory does not", () => {
  using home = new Scratch();
  home.write(".qmail-default", "# rest");
  mkdirSync(home.in(".qmail-a"));
  home.write(".qmail-b", "# b");
  chmodSync(home.in(".qmail-b"), 0o646);
  process.chdir(home.path);
  const address = (extension: string) => ({ dash: Buffer.from("-"), extension: Buffer.from(extension) });
  expect(findDotQmail(address("a"))?.text.toString()).toBe("# rest");
  expect(outcome(() => String(findDotQmail(address("b"))))).toBe(
    "111 Uh-oh: .qmail file is writable. (#4.7.0)",
  );
});

const senders: readonly (readonly [string, string, string])[] = [
  ["", "s@t", "s@t"],
  [".qmail-l-owner", "s@t", "joe-l-owner@h"],
  [".qmail-l-owner .qmail-l-owner-default", "s@t", "joe-l-owner-@h-@[]"],
  [".qmail-l-owner-default", "s@t", "s@t"],
  [".qmail-l-owner .qmail-l-owner-default", "", ""],
  [".qmail-l-owner .qmail-l-owner-default", "#@[]", "#@[]"],
];
for (const [files, sender, expected] of senders) {
  test(`mail from <${sender}> is forwarded from <${expected}> with ${files || "no owner"}`, () => {
    using home = new Scratch();
    for (const name of files.split(" ").filter(Boolean)) home.write(name, "");
    process.chdir(home.path);
    const from = forwardingSender(
      { dash: Buffer.from("-"), extension: Buffer.from("L") },
      { local: Buffer.from("joe-l"), host: Buffer.from("h"), sender: Buffer.from(sender) },
    );
    expect(from.toString()).toBe(expected);
  });
}
