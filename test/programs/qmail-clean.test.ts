/** qmail-clean: requests it did not expect, files it can not remove, and its sweeps through pid. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { bin, run } from "../helpers/built.ts";
import { QueueHome } from "../helpers/queue-home.ts";

const clean = (home: QueueHome, requests: string) =>
  run("qmail-clean", { stdin: Buffer.from(requests, "latin1"), env: { QMAILHOME: home.path } });

/** A home with message 30 in mess, intd and todo. */
class Home extends QueueHome {
  constructor() {
    super();
    for (const name of ["mess/7/30", "intd/30", "todo/30"]) this.write(`queue/${name}`, "x");
  }
}

/** Requests; answers; what is left of message 30. */
const rows: readonly (readonly [string, string, string[]])[] = [
  ["foop/30\0", "+", ["todo/30"]],
  ["todo/30\0", "+", ["mess/7/30"]],
  ["todo/30\0foop/30\0", "++", []],
  ["foop/30", "", ["intd/30", "mess/7/30", "todo/30"]],
  ["foop/x\0", "xx", ["intd/30", "mess/7/30", "todo/30"]],
  ["foop/-30\0", "xx", ["intd/30", "mess/7/30", "todo/30"]],
  ["foop/30/../30\0", "xxxx+", ["todo/30"]],
  ["foop/18446744073709551646\0", "+", ["todo/30"]],
  [`foop/${"0".repeat(93)}\0`, "+", ["intd/30", "mess/7/30", "todo/30"]],
  [`foop/${"0".repeat(95)}\0`, "x", ["intd/30", "mess/7/30", "todo/30"]],
  ["mess/30\0", "x", ["intd/30", "mess/7/30", "todo/30"]],
  ["\0\0", "xx", ["intd/30", "mess/7/30", "todo/30"]],
];
for (const [requests, answers, left] of rows) {
  test(`${JSON.stringify(requests.slice(0, 40))}: ${answers}`, async () => {
    using home = new Home();
    expect(await clean(home, requests)).toMatchObject({ code: 0, stdout: answers, stderr: "" });
    expect(home.left()).toEqual(left);
  });
}

test("what can not be removed: !, and what comes after it stays", async () => {
  using home = new Home();
  rmSync(home.in("queue/intd/30"));
  mkdirSync(home.in("queue/intd/30"));
  expect(await clean(home, "foop/30\0todo/30\0")).toMatchObject({ code: 0, stdout: "!!" });
  expect(home.left()).toEqual(["mess/7/30", "todo/30"]);
});

test("old files in pid go, whatever they are called, at the start and after 31 requests", async () => {
  using home = new Home();
  const pid = Buffer.from(home.in("queue/pid/"));
  const now = Date.now() / 1000;
  const ages = [
    ["old", 130_000],
    ["young", 129_000],
    ["\xff\n-rf *", 130_000],
    [".hidden", 130_000],
  ] as const;
  for (const [name, age] of ages) {
    const path = Buffer.concat([pid, Buffer.from(name, "latin1")]);
    writeFileSync(path, "");
    utimesSync(path, now - age, now - age);
  }
  mkdirSync(home.in("queue/pid/directory"));
  utimesSync(home.in("queue/pid/directory"), 1, 1);
  expect((await clean(home, "")).code).toBe(0);
  expect(readdirSync(home.in("queue/pid")).sort()).toEqual(["directory", "young"]);
});

for (const directory of ["intd", "todo"])
  test(`an envelope in ${directory} whose message is gone goes at the start, but not where the folder is missing`, async () => {
    using home = new Home();
    for (const name of ["31", "32", "033", "x"]) home.write(`queue/${directory}/${name}`, "x");
    rmSync(home.in("queue/mess/9"), { recursive: true });
    mkdirSync(home.in("queue/mess/23"));
    expect(await clean(home, "")).toMatchObject({ code: 0, stdout: "" });
    // 32 belongs into folder 9.
    expect(home.left().filter((name) => name.startsWith(`${directory}/`))).toEqual(
      ["30", "32", "033", "x"].map((name) => `${directory}/${name}`).sort(),
    );
  });

test("without pid it still answers; without a queue it does not start: 111", async () => {
  using home = new Home();
  rmSync(home.in("queue/pid"), { recursive: true });
  expect(await clean(home, "foop/30\0")).toMatchObject({ code: 0, stdout: "+" });
  rmSync(home.in("queue"), { recursive: true });
  expect(await clean(home, "foop/30\0")).toMatchObject({ code: 111, stdout: "" });
});

test("an answer that can not be given: 100", async () => {
  using home = new Home();
  const script = `printf 'foop/31\\0' | "${bin}/qmail-clean" >/dev/full`;
  const child = Bun.spawn(["sh", "-c", script], { env: { QMAILHOME: home.path }, stderr: "ignore" });
  expect(await child.exited).toBe(100);
});
