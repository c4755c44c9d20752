/** Deliveries to Maildirs that share their flushes: each succeeds or fails by itself. */
import { expect, test } from "bun:test";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { meanwhile, Together, waiting } from "../../../src/core/delivery/together.ts";
import { MaildirDelivery } from "../../../src/core/maildir/deliver.ts";
import { Scratch } from "../../helpers/built.ts";

function begin(scratch: Scratch, name: string): MaildirDelivery {
  for (const part of ["tmp", "new", "cur"]) mkdirSync(scratch.in(name, part), { recursive: true });
  const message = openSync(scratch.write("message", "Subject: s\n\nbody\n"), "r");
  try {
    return new MaildirDelivery(scratch.in(name), Buffer.from("Return-Path: <>\n"), message);
  } finally {
    closeSync(message);
  }
}

for (const flushing of [waiting, meanwhile])
  test(`${flushing.name}: one that can not be made durable is not shown, one that can not be shown leaves nothing; the others arrive`, async () => {
    using scratch = new Scratch();
    const deliveries = ["good", "lost", "also", "full"].map((name) => begin(scratch, name));
    closeSync(deliveries[1]?.file ?? -1);
    rmdirSync(scratch.in("full/new"));
    const together = new Together(flushing);
    const ends = await Promise.all(deliveries.map((delivery) => together.finish(delivery)));
    const failed = [111, "Temporary error on maildir delivery. (#4.3.0)\n"];
    const done = [0, "did 1+0+0\n"];
    expect(ends.map(({ code, text }) => [code, text.toString()])).toEqual([done, failed, done, failed]);
    const count = (path: string) => readdirSync(scratch.in(path)).length;
    expect(["good/new", "lost/new", "also/new"].map(count)).toEqual([1, 0, 1]);
    expect(["good", "lost", "full", "also"].map((name) => count(`${name}/tmp`))).toEqual([0, 0, 0, 0]);
  });

/** What keeps one delivery from its end, and what is told. */
const troubles: Readonly<Record<string, (scratch: Scratch, delivery: MaildirDelivery) => void>> = {
  "none at all": () => {},
  "can not be made durable": (_, { file }) => closeSync(file),
  "can not be shown": (scratch) => rmdirSync(scratch.in("M/new")),
  "has a name that is taken": (scratch, { path }) => writeFileSync(scratch.in("M", path), "other"),
};
for (const flushing of [waiting, meanwhile])
  for (const [about, make] of Object.entries(troubles))
    test(`${flushing.name}: one without company: ${about}`, async () => {
      using scratch = new Scratch();
      const delivery = begin(scratch, "M");
      make(scratch, delivery);
      const { code, text } = await new Together(flushing).finish(delivery);
      const isWell = about === "none at all";
      expect([code, text.toString()]).toEqual(
        isWell ? [0, "did 1+0+0\n"] : [111, "Temporary error on maildir delivery. (#4.3.0)\n"],
      );
      expect(readdirSync(scratch.in("M/tmp"))).toEqual([]);
      if (isWell) expect(scratch.read(`M/${delivery.path}`)).toBe("Return-Path: <>\nSubject: s\n\nbody\n");
      if (about === "has a name that is taken") expect(scratch.read(`M/${delivery.path}`)).toBe("other");
      const fds = readdirSync("/proc/self/fd").map((fd) => linkOf(`/proc/self/fd/${fd}`));
      expect(fds.filter((path) => path.startsWith(scratch.in("M/tmp/")))).toEqual([]);
    });

/** Where a link leads; nowhere if it is gone. */
function linkOf(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? "" : readlinkSync(path);
}
