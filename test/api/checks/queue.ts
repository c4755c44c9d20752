import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createReadStream, existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { enqueue, type Message, QmailError, QueueError } from "qmail-ts/queue";
import { failureOf, kept, makeHome, type Row, writeProgram } from "./row.js";

const envelope = { sender: "a@b", recipients: ["c@d", Buffer.from("\xe9@f", "latin1")] };
const records = "Fa@b\0Tc@d\0T\xe9@f\0\0";

async function* pieces(...all: (string | Uint8Array)[]) {
  for (const piece of all) {
    await sleep(1);
    yield piece;
  }
}

const forms: readonly (readonly [string, (path: string) => Message])[] = [
  ["text", () => "Subject: \u00e9\n\nx\n"],
  ["bytes", () => Buffer.from("Subject: \u00e9\n\nx\n")],
  ["an array", () => ["Subject: ", Buffer.from("\u00e9"), "", "\n\nx\n"]],
  ["an asynchronous iterable", () => pieces("Subject: \u00e9", "\n", Buffer.from("\nx\n"))],
  ["a stream of the web", () => new Blob(["Subject: \u00e9\n\nx\n"]).stream() as unknown as Message],
  ["a stream of Node", (path) => createReadStream(path)],
];

/** What the queue program does; the kind of failure, its text and the exit code. */
const ends: readonly (readonly [string, string, string, number | undefined])[] = [
  ["exit 11", "permanent", "envelope address too long for qq (#5.1.3)", 11],
  ["exit 31", "permanent", "mail server permanently rejected message (#5.3.0)", 31],
  ["exit 53", "temporary", "qq write error or disk full (#4.3.0)", 53],
  ["exit 71", "temporary", "mail server temporarily rejected message (#4.3.0)", 71],
  ["exit 99", "temporary", "qq temporary problem (#4.3.0)", 99],
  ["echo 'Dnot here (#5.7.1)' >&6; exit 82", "permanent", "not here (#5.7.1)", 82],
  ["echo 'Zlater' >&6; exit 82", "temporary", "later", 82],
  ["kill -9 $$", "temporary", "qq crashed (#4.3.0)", undefined],
];

/** A message of so many MiB. */
function* large(mebibytes: number) {
  for (let count = 0; count < mebibytes; count++) yield Buffer.alloc(1 << 20, 97);
}

export const rows: readonly Row[] = [
  ...forms.map(
    ([form, make]): Row => [
      `a message may be ${form}`,
      async (scratch) => {
        const home = makeHome(scratch);
        writeFileSync(join(home, "file"), "Subject: \u00e9\n\nx\n");
        const { pid } = await enqueue(make(join(home, "file")), envelope, { home });
        assert.ok(pid > 1);
        assert.equal(Buffer.from(kept(home, "message"), "latin1").toString(), "Subject: \u00e9\n\nx\n");
        assert.equal(kept(home, "envelope"), records);
        assert.equal(kept(home, "home"), `${home}\n`);
      },
    ],
  ),
  ...ends.map(
    ([end, kind, message, exitCode]): Row => [
      `the queue program says ${end}`,
      async (scratch) => {
        const failure = await failureOf(enqueue("x\n", envelope, { home: makeHome(scratch, end) }));
        assert.ok(failure instanceof QueueError && failure instanceof QmailError);
        assert.deepEqual([failure.kind, failure.message, failure.exitCode], [kind, message, exitCode]);
      },
    ],
  ),
  [
    "the process number is the queue program's",
    async (scratch) => {
      const home = makeHome(scratch, "echo $$ >pid");
      const { pid } = await enqueue("x\n", envelope, { home });
      assert.equal(kept(home, "pid"), `${pid}\n`);
    },
  ],
  [
    "a large message passes, and one that the program refuses at once is not read to its end",
    async (scratch) => {
      const home = makeHome(scratch);
      await enqueue(large(24), envelope, { home });
      assert.equal(statSync(join(home, "message")).size, 24 << 20);
      writeFileSync(join(home, "bin/no"), "#!/bin/sh\nexit 31\n", { mode: 0o755 });
      let taken = 0;
      const counted = (function* () {
        for (const piece of large(64)) {
          taken++;
          yield piece;
        }
      })();
      const failure = await failureOf(enqueue(counted, envelope, { home, program: "bin/no" }));
      assert.ok(failure instanceof QueueError && failure.kind === "permanent");
      assert.ok(taken < 64);
    },
  ],
  [
    "QMAILQUEUE of the given environment is executed in the home",
    async (scratch) => {
      const home = makeHome(scratch, "exit 53");
      writeProgram(home, "other", "exit 0");
      await enqueue("x\n", envelope, { home, environment: { PATH: process.env.PATH, QMAILQUEUE: "other" } });
      assert.equal(kept(home, "message"), "x\n");
    },
  ],
  [
    "a program or a home that is missing is a temporary failure",
    async (scratch) => {
      const home = makeHome(scratch);
      for (const options of [{ home, program: "none" }, { home: `${home}/none` }]) {
        const failure = await failureOf(enqueue("x\n", envelope, options));
        assert.ok(failure instanceof QueueError && failure.kind === "temporary");
      }
    },
  ],
  [
    "no recipient, or a NUL in an address: permanent, and no program is run",
    async (scratch) => {
      const home = makeHome(scratch);
      for (const recipients of [[], ["a\0b"]]) {
        const failure = await failureOf(enqueue("x\n", { sender: "", recipients }, { home }));
        assert.ok(failure instanceof QueueError && failure.kind === "permanent");
      }
      assert.equal(existsSync(join(home, "message")), false);
    },
  ],
  [
    "a message that can not be read to its end gets no envelope",
    async (scratch) => {
      const home = makeHome(scratch);
      const broken = (async function* () {
        yield "half of it";
        throw new Error("the source broke");
      })();
      assert.match(String(await failureOf(enqueue(broken, envelope, { home }))), /the source broke/);
      assert.deepEqual([kept(home, "message"), kept(home, "envelope")], ["half of it", ""]);
    },
  ],
  [
    "a message given up by its signal gets no envelope",
    async (scratch) => {
      const home = makeHome(scratch);
      const control = new AbortController();
      let closed = false;
      const endless = (async function* () {
        try {
          yield "half of it";
          control.abort(new Error("enough"));
          await new Promise(() => {});
        } finally {
          closed = true;
        }
      })();
      const failure = await failureOf(enqueue(endless, envelope, { home, signal: control.signal }));
      assert.match(String(failure), /enough/);
      assert.deepEqual([kept(home, "message"), kept(home, "envelope"), closed], ["half of it", "", false]);
      const late = await failureOf(enqueue("x\n", envelope, { home, signal: AbortSignal.abort() }));
      assert.equal((late as Error).name, "AbortError");
    },
  ],
  [
    "when this process is killed, what it had begun gets no envelope",
    async (scratch) => {
      const home = makeHome(scratch, "echo done >done");
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "half", home], {
        stdio: "inherit",
      });
      while (!existsSync(join(home, "message")) || statSync(join(home, "message")).size === 0)
        await sleep(10);
      child.kill("SIGKILL");
      while (!existsSync(join(home, "done"))) await sleep(10);
      assert.deepEqual([kept(home, "message"), kept(home, "envelope")], ["half of it", ""]);
    },
  ],
];

if (process.argv[2] === "half") {
  const endless = (async function* () {
    yield "half of it";
    await sleep(600_000);
  })();
  await enqueue(endless, envelope, { home: process.argv[3] });
}
