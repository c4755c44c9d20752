/** Which addresses are nothing but a Maildir: the answers of a fresh reading, of a kept one, and after each change. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { Homes } from "../../../src/core/delivery/homes.ts";
import { Scratch } from "../../helpers/built.ts";

/** Kept are files that have not changed for two seconds. */
const settle = () => Bun.sleep(2100);

class Mail extends Scratch {
  readonly homes = new Homes();
  constructor() {
    super();
    mkdirSync(this.in("h"));
  }
  /** The Maildir below the home, for an address with this dash and extension. */
  ask(dash = "", extension = "", standard = "./Maildir/"): string | undefined {
    const parts = { home: this.in("h"), dash, extension };
    const [home, ...rest] = Object.values(parts).map((part) => Buffer.from(part));
    const address = { home: home as Buffer, dash: rest[0] as Buffer, extension: rest[1] as Buffer };
    const path = this.homes.maildirOf(address, Buffer.from(standard))?.toString();
    return path?.replace(`${this.in("h")}/`, "");
  }
}

/** [files of the home, dash, extension, what the address is]. */
const rows: readonly [Readonly<Record<string, string>>, string, string, string | undefined][] = [
  [{}, "", "", "./Maildir/"],
  [{}, "-", "x", undefined],
  [{ ".qmail": "" }, "", "", "./Maildir/"],
  [{ ".qmail": "./box/\n" }, "", "", "./box/"],
  [{ ".qmail": "# first\n./box/   \n\n" }, "", "", "./box/"],
  [{ ".qmail": "./box\n" }, "", "", undefined],
  [{ ".qmail": "./box/\n./more/\n" }, "", "", undefined],
  [{ ".qmail": "./box/\n|true\n" }, "", "", undefined],
  [{ ".qmail": "&joe@h\n" }, "", "", undefined],
  [{ ".qmail": "# nothing\n" }, "", "", undefined],
  [{ ".qmail": "\n./box/\n" }, "", "", undefined],
  [{ ".qmail-a-b": "./ab/\n", ".qmail-a-default": "./a/\n" }, "-", "a-b", "./ab/"],
  [{ ".qmail-a-default": "./a/\n", ".qmail-default": "./d/\n" }, "-", "A-x", "./a/"],
  [{ ".qmail-default": "./d/\n" }, "-", "a.b-c", "./d/"],
  [{ ".qmail-a:b": "./ab/\n" }, "-", "a.b", "./ab/"],
  [{ ".qmail-default": "" }, "-", "x", "./Maildir/"],
];
test("each of the rows, read and kept", async () => {
  const all = rows.map((row) => ({ row, mail: new Mail() }));
  const answers = () => all.map(({ row: [, dash, extension], mail }) => mail.ask(dash, extension));
  const wanted = rows.map(([, , , maildir]) => maildir);
  for (const { row, mail } of all)
    for (const [name, text] of Object.entries(row[0])) mail.write(`h/${name}`, text);
  expect(answers()).toEqual(wanted);
  await settle();
  for (let again = 0; again < 3; again++) expect(answers()).toEqual(wanted);
  for (const { mail } of all) mail[Symbol.dispose]();
});

test("homes and files that may not be trusted, or are being edited, are others' business", () => {
  using mail = new Mail();
  const file = mail.write("h/.qmail", "./box/\n");
  for (const [path, mode] of [
    [mail.in("h"), 0o777],
    [mail.in("h"), 0o1755],
    [file, 0o666],
    [file, 0o744],
  ] as const) {
    expect(mail.ask()).toBe("./box/");
    chmodSync(path, mode);
    expect(mail.ask()).toBeUndefined();
    chmodSync(path, path === file ? 0o644 : 0o755);
  }
  rmSync(mail.in("h"), { recursive: true });
  expect(mail.ask()).toBeUndefined();
});

test("every change counts at once, also of what was kept", async () => {
  using mail = new Mail();
  mail.write("h/.qmail-default", "./d/\n");
  mkdirSync(mail.in("h/.qmail-sub"));
  mail.write("elsewhere", "./far/\n");
  symlinkSync(mail.in("elsewhere"), mail.in("h/.qmail-link"));
  await settle();
  const all = () => ["x", "y-z", "link", "sub/x"].map((extension) => mail.ask("-", extension));
  for (let again = 0; again < 2; again++) expect(all()).toEqual(["./d/", "./d/", "./far/", "./d/"]);
  mail.write("h/.qmail-x", "./x/\n");
  expect(all()).toEqual(["./x/", "./d/", "./far/", "./d/"]);
  mail.write("elsewhere", "./FAR/\n");
  mail.write("h/.qmail-sub/x", "./sub/\n");
  await settle();
  for (let again = 0; again < 2; again++) expect(all()).toEqual(["./x/", "./d/", "./FAR/", "./sub/"]);
  renameSync(mail.in("h/.qmail-x"), mail.in("h/.qmail-y-default"));
  mail.write("h/.qmail-default", "|false\n");
  expect(all()).toEqual([undefined, "./x/", "./FAR/", "./sub/"]);
});
