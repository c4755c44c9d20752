/** Appending to mboxes: quoting, locks, and what is left after a failure. */
import { expect, test } from "bun:test";
import { closeSync, openSync, renameSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { FromQuoter, fromLine, separatorLine } from "../../../src/core/maildir/from.ts";
import { appendToMbox, MboxFailure, openLocked } from "../../../src/core/maildir/mbox.ts";
import { tryLockExclusive } from "../../../src/core/sys/lock.ts";
import { Scratch } from "../../helpers/built.ts";

/** A message as it stands in an mbox, without what is around it. */
const quoted: readonly (readonly [string, string])[] = [
  ["", ""],
  ["a\n", "a\n"],
  ["a", "a\n"],
  ["From a\n", ">From a\n"],
  [">From a\n>>From b\n", ">>From a\n>>>From b\n"],
  ["x\n\nFrom ", "x\n\n>From \n"],
  ["From", "From\n"],
  ["From\nFrom", "From\nFrom\n"],
  [" From a\nxFrom b\n> From c\nfrom d\n", " From a\nxFrom b\n> From c\nfrom d\n"],
  ["FFrom a\nFromFrom b\n>x>From c\n", "FFrom a\nFromFrom b\n>x>From c\n"],
  ["From From \n", ">From From \n"],
  ["a\r\nFrom b\r\n", "a\r\n>From b\r\n"],
  [`${">".repeat(9)}From a\n`, `${">".repeat(10)}From a\n`],
  ["\n\n", "\n\n"],
];
for (const [message, expected] of quoted) {
  test(`in pieces of every size: ${JSON.stringify(message)}`, () => {
    for (let size = 1; size <= message.length + 1; size++) {
      const quoter = new FromQuoter();
      const out: Buffer[] = [];
      for (let start = 0; start < message.length; start += size)
        out.push(...quoter.push(Buffer.from(message.slice(start, start + size))));
      out.push(...quoter.end());
      expect(Buffer.concat(out).toString()).toBe(expected);
    }
  });
}

test("the line before a message", () => {
  const date = "Sun Sep 09 01:46:40 2001\n";
  expect(fromLine(Buffer.from("a b\tc\nd@e"), 1e9).toString()).toBe(`From a-b-c-d@e ${date}`);
  expect(fromLine(Buffer.alloc(0), 1e9).toString()).toBe(`From MAILER-DAEMON ${date}`);
  expect(separatorLine(Buffer.from("XXX"), 1e9).toString()).toBe(`From XXX ${date}`);
});

const step = (work: () => unknown): string => {
  try {
    work();
  } catch (failure) {
    if (failure instanceof MboxFailure) return `${failure.step} ${failure.cause?.code ?? ""}`.trim();
    throw failure;
  }
  return "fine";
};

function append(mbox: string, message: string): string {
  const fd = openSync(message, "r");
  const result = step(() => appendToMbox(mbox, Buffer.from("From x\nH: 1\n"), fd));
  closeSync(fd);
  return result;
}

test("appended, with an empty line after it; the file is made for its owner alone", () => {
  using scratch = new Scratch();
  const message = scratch.write("message", "body");
  expect(append(scratch.in("mbox"), message)).toBe("fine");
  expect(append(scratch.in("mbox"), message)).toBe("fine");
  expect(scratch.read("mbox")).toBe("From x\nH: 1\nbody\n\n".repeat(2));
  expect(statSync(scratch.in("mbox")).mode & 0o777).toBe(0o600);
});

/** Path of the mbox below the scratch directory or absolute; what fails. */
const failures: readonly (readonly [string, string])[] = [
  ["none/mbox", "open ENOENT"],
  [".", "open EISDIR"],
  ["/dev/full", "write ENOSPC"],
];
for (const [path, expected] of failures) {
  test(`${path}: ${expected}`, () => {
    using scratch = new Scratch();
    const mbox = path.startsWith("/") ? path : scratch.in(path);
    expect(append(mbox, scratch.write("message", "x"))).toBe(expected);
  });
}

test("a message that can not be read leaves the mbox as it was", () => {
  using scratch = new Scratch();
  scratch.write("mbox", "old\n");
  expect(append(scratch.in("mbox"), scratch.path)).toBe("read EISDIR");
  expect(scratch.read("mbox")).toBe("old\n");
});

const script = (body: string): string =>
  `import { appendToMbox } from ${JSON.stringify(join(import.meta.dir, "../../../src/core/maildir/mbox.ts"))};
   import { openSync } from "node:fs";
   ${body}`;

test("what does not fit is taken off again", async () => {
  using scratch = new Scratch();
  scratch.write("mbox", "old\n");
  scratch.write("message", "x".repeat(300_000));
  const program = scratch.write(
    "append.ts",
    script(`try { appendToMbox("mbox", Buffer.from("From x\\n"), openSync("message", "r")); }
            catch (failure) { process.exit(failure.step === "write" && failure.cause.code === "EFBIG" ? 9 : 1); }`),
  );
  const limited = `trap '' XFSZ; ulimit -f 200; exec "$0" "$1"`;
  const child = Bun.spawn(["sh", "-c", limited, process.execPath, program], { cwd: scratch.path });
  expect(await child.exited).toBe(9);
  expect(scratch.read("mbox")).toBe("old\n");
});

test("a lock that is held ends the wait", () => {
  using scratch = new Scratch();
  const holder = openSync(scratch.write("mbox", ""), "r");
  expect(tryLockExclusive(holder)).toBe(true);
  expect(step(() => openLocked(Buffer.from(scratch.in("mbox")), 0.1))).toBe("lock");
  closeSync(holder);
  const { fd, locked } = openLocked(Buffer.from(scratch.in("mbox")), 0.1);
  expect(locked).toBe(true);
  closeSync(fd);
});

test("an mbox that is replaced while we wait for its lock: the message goes to the new one", async () => {
  using scratch = new Scratch();
  const holder = openSync(scratch.write("mbox", "old\n"), "r");
  expect(tryLockExclusive(holder)).toBe(true);
  scratch.write("message", "body\n");
  const program = scratch.write(
    "append.ts",
    script(`console.log("go"); appendToMbox("mbox", Buffer.from("From x\\n"), openSync("message", "r"));`),
  );
  const child = Bun.spawn([process.execPath, program], { cwd: scratch.path, stdout: "pipe" });
  await child.stdout.getReader().read();
  await Bun.sleep(100);
  scratch.write("copy", "old\nmore\n");
  renameSync(scratch.in("copy"), scratch.in("mbox"));
  closeSync(holder);
  expect(await child.exited).toBe(0);
  expect(scratch.read("mbox")).toBe("old\nmore\nFrom x\nbody\n\n");
});

test("through a symbolic link", () => {
  using scratch = new Scratch();
  scratch.write("real", "old\n");
  symlinkSync("real", scratch.in("mbox"));
  expect(append(scratch.in("mbox"), scratch.write("message", "m\n"))).toBe("fine");
  expect(scratch.read("real")).toBe("old\nFrom x\nH: 1\nm\n\n");
});
