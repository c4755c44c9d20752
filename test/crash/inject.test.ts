/**
 * The quick form of inject.ts, three calls of each program for each fault (`npm run torture` has all), and the places
 * where it found something.
 */
import { expect, test } from "bun:test";
import { faults } from "./faults.ts";
import { injectFaults, type Row, subjects } from "./inject.ts";
import { oneShots } from "./one-shot.ts";

const missing = Bun.which("strace") === null;

const namesOf = (...names: string[]) => faults.filter(({ name }) => names.includes(name));

for (const subject of oneShots)
  test.skipIf(missing)(
    `${subject.name}: a call that is killed or fails loses nothing (needs strace)`,
    async () => {
      const rows: Row[] = [];
      const plan = {
        subjects: [subject],
        faults: namesOf("SIGKILL", "EIO", "ENOSPC", "half writes"),
        most: 3,
        seed: 5,
      };
      expect(await injectFaults(plan, (row) => rows.push(row))).toEqual([]);
      for (const { runs, hits } of rows) expect([runs > 0, hits > 0]).toEqual([true, true]);
    },
  );

/** A program, a fault, the calls, and what they are. */
const found: readonly [string, string, RegExp, string][] = [
  ["qmail-pop3d", "EIO", /^write\(1</, "a message that was not sent, and deleted all the same"],
  // Its delivery was under way for ever.
  ["qmail-lspawn", "EIO", /^write\(1</, "a report that cannot be written"],
  ["qmail-lspawn", "EMFILE", /^fcntl\(.*<pipe:.*F_DUPFD/, "a warm qmail-local that cannot be listened to"],
  [
    "qmail-smtpd --listen with qmail-queue --resident",
    "EDQUOT",
    /^write\(1<socket:.*Kok/,
    "an answer that a warm qmail-queue cannot give",
  ],
];

for (const [name, fault, calls, what] of found)
  test.skipIf(missing)(`${name}: ${what} (needs strace)`, async () => {
    const rows: Row[] = [];
    const plan = {
      subjects: subjects.filter((subject) => subject.name === name),
      faults: namesOf(fault),
      only: calls,
      most: 10,
      seed: 1,
    };
    // Which write it is of its thread is not the same in every run.
    for (let attempt = 0; attempt < 5 && !rows.some(({ hits }) => hits > 0); attempt++)
      expect(await injectFaults(plan, (row) => rows.push(row))).toEqual([]);
    expect(rows.some(({ hits }) => hits > 0)).toBe(true);
  });
