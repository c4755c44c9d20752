import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Maildir, MaildirError, type MaildirMessage } from "qmail-ts/maildir";
import { failureOf, type Row } from "./row.js";

const text = async (message: MaildirMessage | undefined): Promise<string> =>
  Buffer.from((await message?.read()) ?? "").toString();

const box = (scratch: string): Promise<Maildir> => Maildir.create(join(scratch, "Maildir"));
const names = (scratch: string, folder: string): string[] => readdirSync(join(scratch, "Maildir", folder));

/** As a delivery by another program: complete in tmp, then linked. */
function drop(scratch: string, name: string, content = "x\n"): void {
  writeFileSync(join(scratch, "Maildir/tmp", name), content);
  renameSync(join(scratch, "Maildir/tmp", name), join(scratch, "Maildir/new", name));
}

export const rows: readonly Row[] = [
  [
    "a Maildir is made for its owner alone, and made again without harm",
    async (scratch) => {
      const maildir = await box(scratch);
      await maildir.deliver("x\n");
      await box(scratch);
      assert.equal(names(scratch, "new").length, 1);
      for (const name of ["", "tmp", "new", "cur"])
        assert.equal(statSync(join(scratch, "Maildir", name)).mode & 0o777, 0o700);
    },
  ],
  [
    "what is delivered is read: at once, in pieces, with a header before it",
    async (scratch) => {
      const maildir = await box(scratch);
      const pieces = [Buffer.from("Subject: x\n"), "\n", Buffer.alloc(200_000, 97)];
      const message = await maildir.deliver(pieces, { header: "Return-Path: <a@b>\n" });
      const whole = Buffer.from(await message.read());
      assert.equal(whole.subarray(0, 31).toString(), "Return-Path: <a@b>\nSubject: x\n\n");
      assert.equal(whole.length, message.size);
      const read: Uint8Array[] = [];
      for await (const piece of message.stream()) read.push(piece);
      assert.ok(Buffer.concat(read).equals(whole));
      assert.deepEqual([message.folder, message.flags, names(scratch, "tmp")], ["new", "", []]);
      assert.deepEqual(names(scratch, "new"), [message.id]);
      assert.match(message.id, /^\d+\.P\d+Q\d+R[0-9A-F]{12}\.[^/:]+$/);
    },
  ],
  [
    "300 deliveries side by side are 300 messages",
    async (scratch) => {
      const maildir = await box(scratch);
      await Promise.all(Array.from({ length: 300 }, (_, index) => maildir.deliver(`${index}\n`)));
      const all = await Promise.all((await maildir.messages(["new"])).map(text));
      assert.deepEqual(
        all.map(Number).sort((one, other) => one - other),
        Array.from({ length: 300 }, (_, index) => index),
      );
    },
  ],
  [
    "of a delivery that fails nothing stays",
    async (scratch) => {
      const maildir = await box(scratch);
      const broken = (async function* () {
        yield "half of it";
        throw new Error("the source broke");
      })();
      assert.match(String(await failureOf(maildir.deliver(broken))), /the source broke/);
      const aborted = await failureOf(
        maildir.deliver("x", { signal: AbortSignal.abort(new Error("enough")) }),
      );
      assert.match(String(aborted), /enough/);
      rmSync(join(scratch, "Maildir/new"), { recursive: true });
      const failure = await failureOf(maildir.deliver("x"));
      assert.ok(failure instanceof MaildirError && failure.kind === "permanent");
      assert.deepEqual(names(scratch, "tmp"), []);
    },
  ],
  [
    "a message moves to cur with its flags, and on from there",
    async (scratch) => {
      const maildir = await box(scratch);
      drop(scratch, "1.a.h");
      const [message] = await maildir.messages();
      await message?.moveToCur("SFS");
      assert.deepEqual([names(scratch, "new"), names(scratch, "cur")], [[], ["1.a.h:2,FS"]]);
      assert.deepEqual([message?.folder, message?.flags, message?.id], ["cur", "FS", "1.a.h"]);
      await message?.moveToCur();
      assert.deepEqual(names(scratch, "cur"), ["1.a.h:2,"]);
      assert.ok((await failureOf(message?.moveToCur("../x") ?? Promise.resolve())) instanceof RangeError);
      await message?.remove();
      assert.deepEqual(await maildir.messages(), []);
    },
  ],
  [
    "a message that another reader moved is found again; one that is gone is a permanent failure",
    async (scratch) => {
      const maildir = await box(scratch);
      drop(scratch, "1.a.h", "one\n");
      const [message] = await maildir.messages();
      renameSync(join(scratch, "Maildir/new/1.a.h"), join(scratch, "Maildir/cur/1.a.h:2,S"));
      assert.equal(await text(message), "one\n");
      assert.deepEqual([message?.folder, message?.flags], ["cur", "S"]);
      rmSync(join(scratch, "Maildir/cur/1.a.h:2,S"));
      const failure = await failureOf(text(message));
      assert.ok(failure instanceof MaildirError && failure.kind === "permanent");
    },
  ],
  [
    "messages come the oldest first; dot files and directories are none",
    async (scratch) => {
      const maildir = await box(scratch);
      for (const name of ["b", "c", "a", ".hidden"]) {
        drop(scratch, name);
        await sleep(15);
      }
      mkdirSync(join(scratch, "Maildir/new/directory"));
      assert.deepEqual(
        (await maildir.messages()).map(({ id }) => id),
        ["b", "c", "a"],
      );
    },
  ],
  [
    "names that are no UTF-8 can be read, moved and removed",
    async (scratch) => {
      const maildir = await box(scratch);
      execFileSync("/bin/sh", ["-c", 'echo x >"$1/new/$(printf "z\\377")"', "sh", join(scratch, "Maildir")]);
      const [message] = await maildir.messages();
      assert.equal(message?.id, "z\xff");
      assert.equal(await text(message), "x\n");
      await message?.moveToCur("S");
      const [moved] = await maildir.messages(["cur"]);
      assert.equal(moved?.flags, "S");
      await moved?.remove();
      assert.deepEqual(names(scratch, "cur"), []);
    },
  ],
  [
    "watching yields each message once, those that were there and those that come, while others deliver and move",
    async (scratch) => {
      const maildir = await box(scratch);
      for (let count = 0; count < 50; count++) await maildir.deliver(`${count}\n`);
      const coming = (async () => {
        for (let count = 50; count < 200; count += 3) {
          await Promise.all([0, 1, 2].map((more) => maildir.deliver(`${count + more}\n`)));
          await sleep(1);
        }
      })();
      const seen: number[] = [];
      for await (const message of maildir.watch()) {
        seen.push(Number(await text(message)));
        // Every third stays in `new`, and must not come again.
        if (seen.length % 3 !== 0) await message.moveToCur();
        if (seen.length === 200) break;
      }
      await coming;
      assert.deepEqual(
        seen.sort((one, other) => one - other),
        Array.from({ length: 200 }, (_, index) => index),
      );
    },
  ],
  [
    "watching ends when it is told to, in the middle of waiting",
    async (scratch) => {
      const maildir = await box(scratch);
      const control = new AbortController();
      setTimeout(() => control.abort(), 100);
      let count = 0;
      for await (const _ of maildir.watch({ signal: control.signal, every: 600_000 })) count++;
      assert.equal(count, 0);
      for await (const _ of maildir.watch({ signal: AbortSignal.abort() })) count++;
      assert.equal(count, 0);
    },
  ],
  [
    "watching a Maildir that is not there, or that goes away, fails",
    async (scratch) => {
      const watch = async (maildir: Maildir): Promise<void> => {
        for await (const _ of maildir.watch({ every: 200 }));
      };
      const none = await failureOf(watch(new Maildir(join(scratch, "none"))));
      assert.ok(none instanceof MaildirError && none.kind === "permanent");
      const maildir = await box(scratch);
      const end = failureOf(watch(maildir));
      await sleep(100);
      rmSync(join(scratch, "Maildir"), { recursive: true });
      assert.ok((await end) instanceof MaildirError);
    },
  ],
  [
    "an unfinished delivery is nothing yet",
    async (scratch) => {
      const maildir = await box(scratch);
      let finish = (): void => {};
      const waiting = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const delivery = maildir.deliver(
        (async function* () {
          yield "half, ";
          await waiting;
          yield "whole\n";
        })(),
      );
      while (names(scratch, "tmp").length === 0) await sleep(5);
      assert.deepEqual(await maildir.messages(), []);
      finish();
      assert.equal(readFileSync((await delivery).path as Buffer, "utf8"), "half, whole\n");
    },
  ],
];
