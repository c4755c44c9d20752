/** `qmail log` and `qmail report`: logs of every kind, as they are and as they grow, for people and for programs. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, mkdirSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { LogReader } from "../../src/core/log/line.ts";
import { Statistics } from "../../src/core/log/statistics.ts";
import { Tracker } from "../../src/core/log/tracker.ts";
import { sampleLog, tai64n } from "../core/log/sample.ts";
import { bin, run, Scratch } from "../helpers/built.ts";
import { until } from "../scenarios/home.ts";

setDefaultTimeout(900_000);

const sample = sampleLog(800);
const inTai = sample.map(({ time, text }) => `${tai64n(time)} ${text}`);
const file = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

const objects = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const story = [
  "new msg 30",
  "info msg 30: bytes 318 from <ann@example.org> qp 4711 uid 1000",
  "starting delivery 1: msg 30 to local list@example.net",
  "status: local 1/10 remote 0/20",
  "new msg 31",
  "info msg 31: bytes 400 from <ann@example.org> qp 4712 uid 1000",
  "delivery 1: success: did_0+1+0/qp_4712/",
  "status: local 0/10 remote 0/20",
  "end msg 30",
  "new msg 32",
  "info msg 32: bytes 5 from <eve@example.org> qp 4713 uid 1000",
  "starting delivery 2: msg 31 to remote sue@far.example",
  "delivery 2: deferral: Sorry,_I_wasn't_able_to_establish_an_SMTP_connection._(#4.4.1)/",
];
const timed = story.map((text, index) => `${1_795_544_150 + index}.500000 ${text}`);

describe("qmail log", () => {
  test("every line of a file is one object, with what is known of its message", async () => {
    using scratch = new Scratch();
    const { code, stdout, stderr } = await run("qmail", {
      args: ["log", "--json", scratch.write("log", file(timed))],
    });
    expect([code, stderr]).toEqual([0, ""]);
    const lines = objects(stdout);
    expect(lines.map(({ event }) => event)).toEqual(
      "new info start status new info success status end new info start deferral".split(" "),
    );
    expect(lines[6]).toEqual({
      time: new Date((1_795_544_150 + 6.5) * 1000).toISOString(),
      unix: 1_795_544_156.5,
      event: "success",
      id: "30",
      sender: "ann@example.org",
      qp: "4711",
      uid: "1000",
      bytes: 318,
      delivery: "1",
      report: "did_0+1+0/qp_4712/",
      channel: "local",
      recipient: "list@example.net",
      seconds: 4,
      age: 6,
    });
  });

  test("one message, and what was forwarded of it, for a person", async () => {
    const { code, stdout } = await run("qmail", {
      args: ["log", "--id", "30", "-"],
      stdin: Buffer.from(file(story)),
      env: { TZ: "UTC" },
    });
    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.trimEnd())).toEqual([
      "30        new",
      "30        info     from <ann@example.org>, 318 B, qp 4711, uid 1000",
      "30        start    local list@example.net",
      "30        success  list@example.net: did 0+1+0 / qp 4712",
      "31        new",
      "31        info     from <ann@example.org>, 400 B, qp 4712, uid 1000",
      "30        end",
      "31        start    remote sue@far.example",
      "31        deferral sue@far.example: Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)",
      "",
    ]);
  });

  test("a directory of multilog, a compressed file, and standard input are the same log", async () => {
    using scratch = new Scratch();
    mkdirSync(scratch.in("main"));
    const third = Math.floor(inTai.length / 3);
    scratch.write("main/@400000006b05a2a0075bca00.s", file(inTai.slice(0, third)));
    scratch.write("main/@400000006b05a2a1075bca00.s", file(inTai.slice(third, 2 * third)));
    scratch.write("main/current", file(inTai.slice(2 * third)));
    scratch.write("main/lock", "");
    scratch.write("log.gz", gzipSync(file(inTai)));
    const ways = [[scratch.in("main")], [scratch.in("log.gz")], []];
    const [first, ...others] = await Promise.all(
      ways.map((names) => run("qmail", { args: ["log", ...names], stdin: Buffer.from(file(inTai)) })),
    );
    expect(first?.stdout.split("\n")).toHaveLength(inTai.length + 1);
    for (const other of others) expect(other).toMatchObject({ code: 0, stdout: first?.stdout ?? "" });
  });

  test("what is added is followed, when the file is renamed and begun again, and when it is cut", async () => {
    using scratch = new Scratch();
    const path = scratch.write("current", file(story.slice(0, 2)));
    const child = Bun.spawn([join(bin, "qmail"), "log", "-f", "--json", path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let seen = "";
    const reading = (async () => {
      for await (const piece of child.stdout) seen += Buffer.from(piece).toString();
    })();
    const shows = (count: number) => until(`${count} lines`, () => seen.split("\n").length - 1 >= count);
    await shows(2);
    appendFileSync(path, "starting delivery 1: msg 30 to loc");
    appendFileSync(path, "al list@example.net\n");
    await shows(3);
    // Rotated as multilog does it; the old file gets a last line afterwards.
    renameSync(path, scratch.in("@400000006b05a2a0075bca00.s"));
    appendFileSync(scratch.in("@400000006b05a2a0075bca00.s"), "status: local 1/10 remote 0/20\n");
    writeFileSync(path, file(story.slice(4, 6)));
    await shows(6);
    // Copied and cut, as others do it.
    truncateSync(path);
    await Bun.sleep(600);
    appendFileSync(path, file(story.slice(6, 9)));
    await shows(9);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await reading;
    expect(objects(seen).map(({ event, id }) => [event, id])).toEqual([
      ["new", "30"],
      ["info", "30"],
      ["start", "30"],
      ["status", undefined],
      ["new", "31"],
      ["info", "31"],
      ["success", "30"],
      ["status", undefined],
      ["end", "30"],
    ]);
  });

  test("a log that is followed begins with its last ten lines", async () => {
    using scratch = new Scratch();
    const path = scratch.write("log", file(inTai));
    const child = Bun.spawn([join(bin, "qmail"), "log", "--follow", path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let seen = "";
    const reading = (async () => {
      for await (const piece of child.stdout) seen += Buffer.from(piece).toString();
    })();
    await until("ten lines", () => seen.split("\n").length > 10);
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await reading;
    expect(seen.split("\n")).toHaveLength(11);
  });

  test("nothing that a stranger wrote moves the cursor", async () => {
    const stdin = Buffer.from("\x1b[2Jnoise\nalert: \x9b31m \x07\nwarning: caf\xc3\xa9\n", "latin1");
    const { stdout } = await run("qmail", { args: ["log"], stdin });
    expect(Buffer.from(stdout, "latin1").toString()).toMatch(/\\x1b\[2Jnoise\n.*\\x9b31m \\x07\n.*café\n$/);
  });

  const rows: readonly (readonly [about: string, args: readonly string[], code: number, words: string])[] = [
    ["a file that is not there", ["/nowhere/log"], 111, "unable to open /nowhere/log: file does not exist"],
    ["a directory without logs", ["/proc/self/fd"], 100, "without multilog's files"],
    ["a number that is none", ["--id", "x", "-"], 100, '--id takes a number, not "x"'],
    ["what is not of gzip", [], 111, "damaged, or not of gzip"],
  ];
  for (const [about, args, code, words] of rows)
    test(`${about} is told`, async () => {
      using scratch = new Scratch();
      const names = args.length > 0 ? args : [scratch.write("log.gz", "no gzip")];
      const outcome = await run("qmail", { args: ["log", ...names] });
      expect(outcome).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(words) });
    });

  test("colours are for terminals, and not where NO_COLOR is set", async () => {
    using scratch = new Scratch();
    const path = scratch.write("log", file(timed));
    const onTerminal = async (env: Record<string, string>): Promise<string> => {
      let shown = "";
      const child = Bun.spawn([join(bin, "qmail"), "log", path], {
        env: { TERM: "xterm", ...env },
        terminal: {
          cols: 80,
          rows: 24,
          data: (_, bytes) => {
            shown += Buffer.from(bytes).toString();
          },
        },
      });
      await child.exited;
      return shown;
    };
    expect(await onTerminal({})).toContain("\x1b[32m");
    expect(await onTerminal({ NO_COLOR: "1" })).not.toContain("\x1b");
    expect((await run("qmail", { args: ["log", path] })).stdout).not.toContain("\x1b");
  });
});

describe("qmail report", () => {
  test("says of a file what the statistics of its lines are", async () => {
    using scratch = new Scratch();
    const { code, stdout, stderr } = await run("qmail", {
      args: ["report", "--json", "--top", "7", scratch.write("log", file(inTai))],
    });
    expect([code, stderr]).toEqual([0, ""]);
    const [reader, tracker, statistics] = [new LogReader(0), new Tracker(), new Statistics()];
    for (const line of inTai.flatMap((each) => reader.push(each))) statistics.add(tracker.feed(line));
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(statistics.report(7))));
  });

  test("for a terminal: every section, no line wider than it, no colours in a pipe", async () => {
    const { stdout } = await run("qmail", { args: ["report"], stdin: Buffer.from(file(inTai)) });
    const text = Buffer.from(stdout, "latin1").toString();
    for (const title of [
      "Messages",
      "Attempts",
      "Delay",
      "Duration",
      "Deferrals by reason",
      "Failures by reason",
      "Senders",
      "Recipients",
      "Hosts",
      "Users",
    ])
      expect(text).toMatch(new RegExp(`^${title}`, "m"));
    expect(text.split("\n").filter((line) => [...line].length > 80)).toEqual([]);
    expect(text).not.toContain("\x1b");
  });

  test("an empty log, and one of nobody's", async () => {
    for (const text of ["", "what is this?\n\n"])
      for (const how of [[], ["--html"], ["--json"]])
        expect(await run("qmail", { args: ["report", ...how], stdin: Buffer.from(text) })).toMatchObject({
          code: 0,
          stderr: "",
        });
  });

  test("the page needs nothing from elsewhere, and runs nothing that the log says", async () => {
    const evil = `"><script>alert(1)</script>&'@evil.example`;
    const lines = [
      "1795900200.000000 new msg 1",
      `1795900200.000001 info msg 1: bytes 1 from <${evil}> qp 1 uid 1`,
      `1795900201.000000 starting delivery 1: msg 1 to remote ${evil}`,
      `1795900202.000000 delivery 1: failure: ${evil}/`,
      `1795900203.000000 alert: ${evil}`,
    ];
    const { code, stdout } = await run("qmail", {
      args: ["report", "--html"],
      stdin: Buffer.from(file([...inTai, ...lines])),
    });
    expect(code).toBe(0);
    expect(stdout).toStartWith("<!doctype html>");
    expect(stdout).not.toMatch(
      /<(script|link|img|iframe|object|embed|base|meta http)|\s(src|href|on\w+)=|url\(|@import/i,
    );
    expect(stdout).toContain("&lt;script&gt;");
    expect(stdout).toContain("prefers-color-scheme: dark");
    expect(stdout.match(/<g class="step">/g)?.length ?? 0).toBeGreaterThan(10);
    for (const tag of ["section", "div", "table", "tr", "td", "svg", "g", "main", "details"])
      expect([tag, stdout.match(new RegExp(`<${tag}[ >]`, "g"))?.length]).toEqual([
        tag,
        stdout.match(new RegExp(`</${tag}>`, "g"))?.length,
      ]);
  });

  test("ever new names fill no memory", async () => {
    using scratch = new Scratch();
    const messages = 100_000;
    const long = "x".repeat(150);
    const path = scratch.write("log", "");
    for (let id = 0; id < messages; id++) {
      const time = (1_795_544_150 + id).toFixed(6);
      const lines = [
        `new msg ${id}`,
        `info msg ${id}: bytes 9 from <${id}-${long}@example.org> qp ${id} uid 7`,
        `starting delivery ${id}: msg ${id} to remote box@${id}.${long}.example`,
        `delivery ${id}: deferral: ${long}-${id}x/`,
        `end msg ${id}`,
      ];
      appendFileSync(path, lines.map((line) => `${time} ${line}\n`).join(""));
    }
    const { code, stdout, memory } = await run("qmail", { args: ["report", "--json", path] });
    expect([code, JSON.parse(stdout).messages.ended]).toEqual([0, messages]);
    expect(JSON.parse(stdout).dropped).toBeGreaterThan(messages);
    // Without a bound it is twice as much.
    expect(memory).toBeLessThan(256 << 20);
  });
});
