/** qmail queue: each command on the built programs, with qmail-send running and stopped. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lockExclusive } from "../../src/core/sys/lock.ts";
import { type Group, host, PrivateHome, programs, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { type Outcome, run } from "../scenarios/home.ts";

setDefaultTimeout(900_000);

const asRoot = process.geteuid?.() === 0;
const stranger = { uid: 65534, gid: 65534 };

/** A home whose mail for other hosts is always deferred: nothing listens there. */
class Waiting extends PrivateHome {
  constructor() {
    super();
    writeFileSync(join(this.path, "control/smtproutes"), ":127.0.0.1:1\n");
  }

  /** Queues a message; returns its number. */
  inject(to: readonly string[], message = "Subject: hello\n\nHello.\n", from = `sender@${host}`): string {
    const before = new Set(this.ids());
    this.submit(to, message, from);
    return this.ids().find((id) => !before.has(id)) ?? "";
  }

  submit(to: readonly string[], message = "Subject: hello\n\nHello.\n", from = `sender@${host}`): void {
    const child = Bun.spawnSync([this.program("qmail-inject"), "-f", from, ...to], {
      stdin: Buffer.from(message, "latin1"),
      env: this.environment,
    });
    expect(child.exitCode).toBe(0);
  }

  ids(): string[] {
    return this.json("list").map(({ id }) => String(id));
  }

  json(...words: string[]): Record<string, unknown>[] {
    const lines = this.run("qmail", "queue", ...words, "--json").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  queue(...words: string[]): Promise<Outcome> {
    return run([this.program("qmail"), "queue", ...words], { environment: this.environment });
  }

  state(id: string): unknown {
    return this.json("list").find((message) => message.id === id)?.state;
  }

  log(): string {
    const path = join(this.path, "log");
    return existsSync(path) ? readFileSync(path, "latin1") : "";
  }

  /** Waits for words in the log. */
  async logged(words: string): Promise<void> {
    if (!(await until(patience, () => this.log().includes(words))))
      throw new Error(`not logged: ${words}\n${this.log()}`);
  }
}

const far = ["far@remote.example"];

describe("looking", () => {
  let home: Waiting;
  const ids: string[] = [];
  beforeAll(() => {
    home = new Waiting();
    ids.push(
      home.inject(["one@a.example", "two@b.example"], "Subject: first\n\n1\n"),
      home.inject(["ONE@c.example"], "Subject: second\n\n2\n", `news@${host}`),
      home.inject(far, "Subject: third\n\n3\n", ""),
    );
    home.run("qmail", "queue", "hold", ids[1] ?? "");
  });
  afterAll(() => home.remove());

  const rows: readonly (readonly [words: string[], chosen: number[]])[] = [
    [[], [0, 1, 2]],
    [["--all"], [0, 1, 2]],
    [["--from", `news@${host}`], [1]],
    [["--from", "NEWS@*"], [1]],
    [["--from", "news"], []],
    [["--from", "<>"], [2]],
    [
      ["--to", "one@?.example"],
      [0, 1],
    ],
    [["--to", "one@a.example", "--state", "new"], [0]],
    [["--to", "one@aXexample"], []],
    [["--state", "held"], [1]],
    [["--older", "1h"], []],
    [["--older", "0s", "--from", "nobody"], []],
    [["--channel", "remote"], []],
  ];
  for (const [words, chosen] of rows) {
    test(`list ${words.join(" ")}`, () => {
      const found = home.json("list", ...words).map(({ id }) => ids.indexOf(String(id)));
      expect(found.sort()).toEqual(chosen);
    });
  }

  test("list by numbers, in their order, with or without #", () => {
    const found = home.json("list", `#${ids[2]}`, ids[0] ?? "").map(({ id }) => id);
    expect(found).toEqual([ids[2], ids[0]]);
  });

  test("list for people", async () => {
    const { stdout } = await home.queue("list", ids[0] ?? "");
    expect(stdout).toMatch(
      new RegExp(
        `^${ids[0]} new [^\\n]* \\d+ bytes from <sender@${host}>\\n\\tto - one@a.example\\n\\tto - two@b.example\\n$`,
      ),
    );
  });

  test("what has waited is older than 1 second and younger than an hour", async () => {
    await Bun.sleep(2100);
    expect(home.json("list", "--older", "1s").length).toBe(3);
  });

  const refusals: readonly (readonly [words: string[], complaint: string])[] = [
    [["list", "x"], '"x" is not the number of a message'],
    [["list", "0"], '"0" is not the number of a message'],
    [["list", "99999999999999999999"], "is not the number of a message"],
    [["list", "12345", "--all"], "not both"],
    [["list", "--all", "--from", "x"], "--all selects every message"],
    [["list", "--older", "soon"], '"soon" is not an age'],
    [["list", "--state", "lost"], "--state is one of"],
    [["list", "--channel", "smtp"], "--channel is one of"],
    [["list", "3"], "there is no message 3 in the queue"],
    [["show", "3"], "there is no message 3 in the queue"],
    [["remove", "3"], "there is no message 3 in the queue"],
    [["remove"], "which messages?"],
    [["hold", "--home", "/nowhere", "--all"], "there is no queue in /nowhere"],
    [["repair", "--split", "0"], "--split is a number"],
    [["dance"], "unknown command"],
  ];
  for (const [words, complaint] of refusals) {
    test(`refused: ${words.join(" ")}`, async () => {
      const { code, stderr } = await home.queue(...words);
      expect(stderr).toContain(complaint);
      expect(code).toBe(100);
      expect(home.ids().length).toBe(3);
    });
  }
});

describe("show", () => {
  const encoded = [
    "From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>",
    "Subject: =?iso-8859-1?q?gr=FCn?= \x1b[31mred",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=b",
    "",
    "--b",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from("Grüße\x1b]0;owned\x07\nEnde\n").toString("base64"),
    "--b",
    'Content-Type: application/pdf; name="a.pdf"',
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.alloc(3000, 7).toString("base64"),
    "--b--",
    "",
  ].join("\n");

  test("decoded, with what is attached, and nothing that controls a terminal", async () => {
    const home = new Waiting();
    try {
      const id = home.inject(far, encoded);
      const { stdout, code } = await home.queue("show", id);
      expect(code).toBe(0);
      for (const words of [
        "From: Jürgen <j@x.example>",
        "Subject: grün",
        "Grüße?]0;owned?\nEnde",
        "attached: a.pdf",
      ])
        expect(stdout.replaceAll('"', "")).toContain(words);
      expect(stdout).toContain("application/pdf, 3000 bytes");
      expect(stdout).not.toContain("\x1b");
      const [json] = home.json("show", id);
      expect(json).toMatchObject({
        id,
        sender: `sender@${host}`,
        attachments: [{ name: "a.pdf", size: 3000 }],
      });
    } finally {
      await home.remove();
    }
  });

  test("--raw: the bytes as they are", async () => {
    const home = new Waiting();
    try {
      const id = home.inject(far, `Subject: bytes\n\n${"\xff\x00\x80".repeat(50_000)}`);
      const child = Bun.spawnSync([home.program("qmail"), "queue", "show", "--raw", id], {
        env: home.environment,
      });
      const path = join(home.path, "queue/mess", String(BigInt(id) % 23n), id);
      expect(child.exitCode).toBe(0);
      expect(child.stdout.equals(readFileSync(path))).toBe(true);
    } finally {
      await home.remove();
    }
  });
});

/** Starts qmail-send, if that is what the test is about, and lets the message be deferred once. */
async function startIf(running: boolean, home: Waiting, id: string): Promise<Group | undefined> {
  if (!running) return undefined;
  const daemons = home.start();
  await home.logged("deferral");
  await until(patience, () => home.state(id) === "waiting");
  return daemons;
}

for (const running of [true, false]) {
  describe(running ? "acting while qmail-send runs" : "acting while qmail-send is stopped", () => {
    async function scene(act: (home: Waiting, id: string) => Promise<void>): Promise<void> {
      const home = new Waiting();
      try {
        const id = home.inject(far);
        await startIf(running, home, id);
        await act(home, id);
      } finally {
        await home.remove();
      }
    }

    test("hold and release", () =>
      scene(async (home, id) => {
        expect(await home.queue("hold", id)).toEqual({ code: 0, stdout: `${id} held\n`, stderr: "" });
        expect(await home.queue("hold", id)).toEqual({ code: 0, stdout: `${id} held already\n`, stderr: "" });
        expect(await home.queue("retry", id)).toMatchObject({
          code: 100,
          stdout: `${id} is held: release it first\n`,
        });
        expect(home.state(id)).toBe("held");
        expect(await home.queue("release", id)).toEqual({
          code: 0,
          stdout: `${id} released, and due now\n`,
          stderr: "",
        });
        expect(await home.queue("release", id)).toEqual({ code: 0, stdout: `${id} not held\n`, stderr: "" });
      }));

    test("remove", () =>
      scene(async (home, id) => {
        expect(await home.queue("remove", id)).toEqual({ code: 0, stdout: `${id} removed\n`, stderr: "" });
        expect(
          await until(patience, () =>
            home.queued().every((path) => path.includes("/ask/") || path.includes("/hold/")),
          ),
        ).toBe(true);
        if (running) expect(home.log()).toContain(`remove msg ${id}\nend msg ${id}\n`);
        expect(await home.queue("remove", id)).toMatchObject({ code: 100 });
      }));

    test("bounce, with a word", () =>
      scene(async (home, id) => {
        const { code, stdout } = await home.queue("bounce", "--text", "Grüße.", id);
        expect(code).toBe(0);
        expect(stdout).toStartWith(`${id} `);
        if (!running) home.start();
        // The sender is nobody's address here, so the bounce bounces to the postmaster: in a mailbox of this home.
        await home.logged(`give up msg ${id}: recipients 1\n`);
        await home.logged(`bounce msg ${id} qp `);
        const box = join(home.path, "mail", ownerOf(home), "Maildir/new");
        const text = () =>
          readdirSync(box)
            .map((name) => readFileSync(join(box, name), "utf8"))
            .join("");
        expect(
          await until(patience, () => existsSync(box) && text().includes("<far@remote.example>:\nGrüße.\n")),
        ).toBe(true);
      }));

    test("a selection of many, counted", () =>
      scene(async (home) => {
        for (let count = 0; count < 25; count++) home.submit([`u${count}@remote.example`]);
        const { stdout } = await home.queue("hold", "--to", "u*@remote.example");
        expect(stdout).toMatch(/^25 messages: held|^\d+ messages: held/m);
        expect(home.json("list", "--state", "held").length).toBe(25);
        expect((await home.queue("release", "--all")).code).toBe(0);
        expect(home.json("list", "--state", "held")).toEqual([]);
      }));
  });
}

/** The mail user that the home belongs to. */
const ownerOf = (home: PrivateHome): string => home.run("qmail", "user", "list").split("\t")[0] ?? "";

test("held over restarts of qmail-send, then released: tried at once", async () => {
  const home = new Waiting();
  try {
    const id = home.inject(far);
    let daemons = home.start();
    await home.logged("deferral");
    await until(patience, () => home.state(id) === "waiting");
    home.run("qmail", "queue", "hold", id);
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      if (signal === "SIGKILL") await daemons.kill();
      else daemons.signal(signal);
      await daemons.ended();
      writeFileSync(join(home.path, "log"), "");
      daemons = home.start();
      await home.logged("status: local 0/10 remote 0/20\n");
      daemons.signal("SIGALRM");
      await Bun.sleep(300);
      expect(home.state(id)).toBe("held");
      expect(home.log()).not.toContain("starting delivery");
    }
    home.run("qmail", "queue", "release", id);
    await home.logged(`release msg ${id}\nstarting delivery 1: msg ${id} to remote far@remote.example\n`);
  } finally {
    await home.remove();
  }
});

test("retry: also what was deferred", async () => {
  const home = new Waiting();
  try {
    const id = home.inject(far);
    home.start();
    await home.logged("deferral");
    await until(patience, () => home.state(id) === "waiting");
    home.run("qmail", "queue", "retry", id);
    await home.logged("starting delivery 2");
  } finally {
    await home.remove();
  }
});

test("a qmail-send that is started while a tool has its lock waits for the tool", async () => {
  const home = new Waiting();
  try {
    home.run("qmail", "queue", "hold", home.inject(far));
    const locks = ["ask/mutex", "lock/sendmutex"].map((name) =>
      openSync(join(home.path, "queue", name), "r+"),
    );
    for (const fd of locks) lockExclusive(fd);
    const daemons = home.start();
    await Bun.sleep(500);
    expect(home.log()).toBe("");
    for (const fd of locks.reverse()) closeSync(fd);
    await home.logged("status: local 0/10");
    expect(daemons.processes().length).toBeGreaterThan(0);
  } finally {
    await home.remove();
  }
});

test("orders of several processes at once are all carried out", async () => {
  const home = new Waiting();
  try {
    const ids = Array.from({ length: 12 }, (_, index) => home.inject([`u${index}@remote.example`]));
    home.start();
    expect(await until(patience, () => home.json("list", "--state", "waiting").length === 12)).toBe(true);
    const outcomes = await Promise.all(
      ids.map((id, index) => home.queue(index % 2 === 0 ? "hold" : "remove", id)),
    );
    expect(outcomes.map(({ code }) => code)).toEqual(ids.map(() => 0));
    expect(await until(patience, () => home.ids().length === 6)).toBe(true);
    expect(home.json("list", "--state", "held").length).toBe(6);
  } finally {
    await home.remove();
  }
});

const rootOnly = asRoot ? "" : " (needs root)";

test.skipIf(!asRoot)(`a stranger is refused, and root acts as the owner${rootOnly}`, async () => {
  const home = new Waiting();
  try {
    const own = join(home.path, "..", "theirs");
    chmodSync(join(home.path, ".."), 0o755);
    home.run("qmail", "init", "--home", own, "--host", host, "--user", "nobody");
    const environment = { QMAILHOME: own, PATH: home.environment.PATH ?? "" };
    const submit = await run([join(programs, "qmail-inject"), "-fx@y", ...far], {
      environment,
      stdin: "Subject: x\n\n",
    });
    expect(submit).toMatchObject({ code: 0, stderr: "" });
    const qmail = [join(programs, "qmail"), "queue"];
    const refused = await run([...qmail, "hold", "--all"], { environment, as: { uid: 12345, gid: 12345 } });
    expect(refused.code).toBe(100);
    expect(refused.stderr).toMatch(/belongs to nobody, and this is uid 12345\n$/);
    expect(existsSync(join(own, "queue/ask"))).toBe(false);
    const done = await run([...qmail, "hold", "--all"], { environment });
    expect(done).toMatchObject({ code: 0, stderr: "" });
    for (const name of ["ask", "hold", "ask/mutex"])
      expect(statSync(join(own, "queue", name)).uid).toBe(stranger.uid);
    expect((await run([...qmail, "list", "--state", "held"], { environment })).stdout).toContain(
      "far@remote.example",
    );
  } finally {
    await home.remove();
  }
});
