/** `qmail status`, `qmail top` and `qmail completion`, with a mail system that has something to do. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin, run as runBuilt, Scratch } from "../helpers/built.ts";
import { type Home, makeHome, type Running, run, startHome, until } from "../scenarios/home.ts";

setDefaultTimeout(900_000);

let home: Home;
let running: Running;

/** Three messages wait for hosts that nobody answers for; one was delivered. */
beforeAll(async () => {
  home = await makeHome({ users: ["joe"] });
  writeFileSync(home.at("control/smtproutes"), ":127.0.0.1:1\n");
  running = await startHome(home);
  for (const to of [
    ["a@one.example", "b@ONE.example"],
    ["c@one.example", "d@two.example"],
    ["e@two.example"],
    ["joe"],
  ])
    expect((await home.inject("Subject: x\n\nhello\n", to)).code).toBe(0);
  await until("all attempts are over", () => (running.log.match(/^delivery \d+: /gm)?.length ?? 0) >= 6);
  const start = Date.now() / 1000 - running.log.split("\n").length;
  const lines = running.log.split("\n").filter((line) => line !== "");
  writeFileSync(
    home.at("log"),
    lines.map((line, index) => `${(start + index / 10).toFixed(6)} ${line}\n`).join(""),
  );
});
afterAll(async () => {
  await running.killAll();
  home.dispose();
});

describe("qmail status", () => {
  test("says what waits, for whom, and who works", async () => {
    const { code, stdout, stderr } = await home.run("qmail", ["status", "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    const state = JSON.parse(stdout);
    expect(state.queue).toMatchObject({ messages: 3, recipients: 5, unprocessed: 0, bouncing: 0 });
    expect(state.queue.channels).toMatchObject({
      local: { messages: 0, recipients: 0, oldest: null },
      remote: { messages: 3, recipients: 5 },
    });
    expect(
      state.queue.destinations.map(({ channel, name, recipients, messages }: Record<string, unknown>) => [
        channel,
        name,
        recipients,
        messages,
      ]),
    ).toEqual([
      ["remote", "one.example", 3, 2],
      ["remote", "two.example", 2, 2],
    ]);
    expect(state.queue.ages[0].messages).toBe(3);
    const names = state.processes.map(({ name }: { name: string }) => name);
    for (const name of ["qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"])
      expect(names.filter((each: string) => each === name)).toHaveLength(1);
    const manager = state.processes.find(({ name }: { name: string }) => name === "qmail-send");
    expect(manager.pid).toBe(running.pid);
    expect(Math.abs(manager.started - Date.now() / 1000)).toBeLessThan(3600);
    expect(state.log.rates[1]).toMatchObject({
      seconds: 300,
      messages: 4,
      success: 1,
      deferral: 5,
      failure: 0,
    });
    const { stdout: counted } = await home.run("qmail-qstat");
    expect(counted).toContain(`messages in queue: ${state.queue.messages}\n`);
  });

  test("for a person", async () => {
    const { stdout } = await home.run("qmail", ["status"]);
    expect(stdout).toMatch(/^running for .*, qmail-send is process \d+; /m);
    expect(stdout).toMatch(/^remote +3 +5 .*\n^all +3 +5 /m);
    expect(stdout).toMatch(/ 3 +2 .* remote +one\.example$/m);
    expect(stdout).not.toContain("\x1b");
  });

  test("a home where nothing runs", async () => {
    const other = await makeHome();
    try {
      const { code, stdout } = await other.run("qmail", ["status"]);
      expect([code, stdout]).toEqual([0, expect.stringContaining("not running: nothing is delivered\n")]);
      expect(JSON.parse((await other.run("qmail", ["status", "--json"])).stdout)).toMatchObject({
        processes: [],
        log: null,
      });
    } finally {
      other.dispose();
    }
  });

  test("what is no home, no log, or can not be read, is told", async () => {
    using scratch = new Scratch();
    expect(await runBuilt("qmail", { args: ["status", "--home", scratch.path] })).toMatchObject({
      code: 100,
      stderr: expect.stringContaining("is no qmail home"),
    });
    expect(await home.run("qmail", ["status", "--log", "/nowhere"])).toMatchObject({
      code: 111,
      stderr: expect.stringContaining("unable to open /nowhere: file does not exist"),
    });
    scratch.write("control/me", "x\n");
    expect(await runBuilt("qmail", { args: ["status", "--home", scratch.path] })).toMatchObject({
      code: 111,
      stderr: expect.stringContaining("unable to read"),
    });
  });
});

const takes = "\x1b[?1049h";
const gives = "\x1b[?25h\x1b[?1049l";

/** A command on a terminal of 80x24. */
function onTerminal(command: string[]) {
  const seen = { text: "" };
  const child = Bun.spawn(command, {
    env: { PATH: `${home.at("bin")}:/usr/bin:/bin`, TERM: "xterm", QMAILHOME: home.path },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_, bytes) => {
        seen.text += Buffer.from(bytes).toString();
      },
    },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("there is no terminal");
  return { child, terminal, seen };
}
/** The lines of the last whole picture. */
const lastPicture = (text: string): string[] => {
  const pictures = text
    .split("\x1b[?2026h\x1b[H")
    .slice(1)
    .filter((piece) => piece.includes("\x1b[?2026l"));
  return (
    (pictures.at(-1) ?? "")
      .split("\x1b[J")[0]
      ?.split(/\r+\n/)
      .map((line) => line.replace(/\x1b\[[\d;]*[mK]/g, "")) ?? []
  );
};

describe("qmail top", () => {
  test("draws, follows the size of the terminal, looks at a key, and gives the terminal back at q", async () => {
    const words =
      "stty -g > before; qmail top --every 60; echo code $?; stty -g > after; cmp before after && echo same";
    const { child, terminal, seen } = onTerminal(["sh", "-c", `cd '${home.at("mail")}'; ${words}`]);
    await until("a picture", () => lastPicture(seen.text).length === 24);
    const first = lastPicture(seen.text);
    expect(first[0]).toMatch(/^qmail top .*\d\d:\d\d:\d\d$/);
    expect(first.join("\n")).toMatch(/^remote +3 +5 /m);
    expect(first.at(-1)).toStartWith("q quit");
    terminal.resize(100, 30);
    await until("a larger picture", () => lastPicture(seen.text).length === 30);
    expect(lastPicture(seen.text)[0]).toHaveLength(100);
    const before = seen.text.length;
    terminal.write(" ");
    await until("another picture", () => seen.text.slice(before).includes("\x1b[?2026l"));
    terminal.write("q");
    await child.exited;
    expect(seen.text.slice(seen.text.indexOf(gives))).toMatch(
      /^\x1b\[\?25h\x1b\[\?1049l(\r\n)?code 0\r+\nsame\r+\n$/,
    );
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    test(`gives the terminal back at ${signal}`, async () => {
      const { child, seen } = onTerminal([join(bin, "qmail"), "top"]);
      await until("a picture", () => lastPicture(seen.text).length === 24);
      child.kill(signal);
      expect(await child.exited).toBe(0);
      await until("the end", () => seen.text.endsWith(gives));
      expect(seen.text).toStartWith(takes);
    });

  test("Ctrl-C ends it", async () => {
    const { child, terminal, seen } = onTerminal([join(bin, "qmail"), "top"]);
    await until("a picture", () => lastPicture(seen.text).length === 24);
    terminal.write("\x03");
    expect(await child.exited).toBe(0);
    await until("the end", () => seen.text.endsWith(gives));
  });

  test("Ctrl-Z gives the terminal back until it goes on", async () => {
    const { child, terminal, seen } = onTerminal([join(bin, "qmail"), "top", "--every", "60"]);
    await until("a picture", () => lastPicture(seen.text).length === 24);
    terminal.write("\x1a");
    await until("the process stops", () =>
      /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, "latin1")),
    );
    expect(seen.text).toEndWith(gives);
    const before = seen.text.length;
    child.kill("SIGCONT");
    await until("a picture again", () => seen.text.slice(before).includes("\x1b[?2026l"));
    expect(seen.text.slice(before)).toStartWith(takes);
    terminal.write("q");
    expect(await child.exited).toBe(0);
  });

  test("without a keyboard it ends by a signal only", async () => {
    const { child, seen } = onTerminal(["sh", "-c", "exec qmail top --every 60 < /dev/null"]);
    await until("a picture", () => lastPicture(seen.text).length === 24);
    await Bun.sleep(300);
    expect(child.exitCode).toBeNull();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("a queue that can not be read leaves the terminal as it is", async () => {
    using scratch = new Scratch();
    scratch.write("control/me", "x\n");
    const { child, seen } = onTerminal([join(bin, "qmail"), "top", "--home", scratch.path]);
    expect(await child.exited).toBe(111);
    expect(seen.text).not.toContain(takes);
    expect(seen.text).toContain("qmail: fatal: unable to read");
  });

  test("without a terminal it is one picture", async () => {
    const { code, stdout, stderr } = await home.run("qmail", ["top"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n")).toHaveLength(25);
    expect(stdout).not.toContain("\x1b");
    expect(stdout).toContain("one.example");
  });

  test("the time between pictures is a number", async () => {
    expect(await home.run("qmail", ["top", "--every", "no"])).toMatchObject({
      code: 100,
      stderr: expect.stringContaining('not "no"'),
    });
  });
});

describe("qmail completion", () => {
  /** What bash offers for a command line, whose last word is being written. */
  const completed = async (...words: string[]): Promise<string[]> => {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    const script = `source <(qmail completion bash); compopt() { :; }; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _qmail; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await run(["bash", "-c", script], {
      environment: { PATH: `${home.at("bin")}:/usr/bin:/bin` },
      directory: home.path,
    });
    expect(stderr).toBe("");
    return stdout.split("\n").filter((word) => word !== "");
  };
  const rows: readonly (readonly [words: readonly string[], expected: readonly string[]])[] = [
    [["qmail", "ex"], ["explain"]],
    [
      ["qmail", "user", ""],
      ["add", "remove", "passwd", "list", "-h", "--help"],
    ],
    [
      ["qmail", "user", "add", "--h"],
      ["--home", "--help"],
    ],
    [["qmail", "status", "--home", "ali"], ["alias"]],
    [["qmail", "status", "--home", "user", "--j"], ["--json"]],
    [["qmail", "log", "lo"], ["log"]],
    [["qmail", "completion", "f"], ["fish"]],
    [["qmail", "help", "rep"], ["report"]],
    [["qmail", "log", "--id", ""], []],
  ];
  for (const [words, expected] of rows)
    test(`bash completes ${JSON.stringify(words.join(" "))}`, async () => {
      expect(await completed(...words)).toEqual([...expected]);
    });

  for (const shell of ["zsh", "fish"] as const)
    test.skipIf(Bun.which(shell) === null)(`${shell} can read its script (needs ${shell})`, async () => {
      using scratch = new Scratch();
      const { stdout } = await home.run("qmail", ["completion", shell]);
      const path = scratch.write("script", stdout);
      expect(await run([shell, "-n", path])).toEqual({ code: 0, stdout: "", stderr: "" });
    });

  test.skipIf(Bun.which("fish") === null)("fish completes (needs fish)", async () => {
    const script =
      "qmail completion fish | source; complete -C 'qmail user re'; complete -C 'qmail st'; complete -C 'qmail report --ht'";
    const { stdout } = await run(["fish", "--no-config", "-c", script], {
      environment: { PATH: `${home.at("bin")}:/usr/bin:/bin`, HOME: home.path },
    });
    expect(stdout.split("\n").map((line) => line.split("\t")[0])).toEqual(["remove", "status", "--html", ""]);
  });

  test("a shell that nobody knows is refused", async () => {
    expect(await home.run("qmail", ["completion", "csh"])).toMatchObject({
      code: 100,
      stderr: 'qmail: fatal: there is no completion for "csh", only for bash, zsh, fish\n',
    });
  });
});

test("a reader that has seen enough is no trouble", () => {
  // true(1) has ended long before there is anything to read.
  const script = 'set -o pipefail; "$0" completion bash | true';
  const { exitCode, stderr } = Bun.spawnSync(["bash", "-c", script, join(bin, "qmail")]);
  expect([exitCode, String(stderr)]).toEqual([0, ""]);
});

test("qmail --help has the commands in groups, and examples", async () => {
  const { stdout } = await home.run("qmail", ["--help"]);
  const headings = stdout.split("\n").filter((line) => /^\S.*:$/.test(line));
  expect(headings).toEqual(["Options:", "Setting up:", "Looking:", "Acting:", "Help:", "Examples:"]);
  expect(stdout).toContain("qmail explain --home ~/mail joe@mail.example.org");
});
