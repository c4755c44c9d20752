/** `npm start` as a person sees it: the script itself, on the executables under test. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { programs, run, until } from "./home.ts";

setDefaultTimeout(900_000);

const script = resolve(import.meta.dir, "../../scripts/start.ts");
const scratch = mkdtempSync(join(tmpdir(), "qmail-start-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const environment = { QMAIL_TS_BIN: programs, PATH: process.env.PATH ?? "" };
const words = (...args: string[]): string[] => [process.execPath, script, ...args];
const once = (...args: string[]) => run(words("--once", ...args), { environment });

test("--once delivers the first message, names its file, and ends with 0; again in the same home", async () => {
  const home = join(scratch, "once");
  for (const time of ["first", "second"]) {
    const { code, stdout, stderr } = await once("--home", home, "--host", "mail.example");
    expect([time, code, stderr]).toEqual([time, 0, ""]);
    const path = /^delivered (.*)$/m.exec(stdout)?.[1] ?? "";
    expect(path).toStartWith(`${home}/mail/`);
    expect(readFileSync(path, "utf8")).toContain("Subject: Your mail system works\n");
    expect(stdout).toContain("delivery 1: success: did_1+0+0/");
    expect(stdout).not.toContain("\x1b");
  }
});

/** Starts it to stay, and waits until it says how to go on. */
async function stay(home: string) {
  const child = Bun.spawn(words("--home", home, "--host", "mail.example"), {
    stdio: ["ignore", "pipe", "inherit"],
    env: environment,
  });
  const seen = { text: "" };
  const read = (async () => {
    for await (const bytes of child.stdout) seen.text += Buffer.from(bytes).toString();
  })();
  await until("the explanation", () => seen.text.includes("Ctrl-C"));
  return { child, seen, read };
}

test("stays up, its printed command works as it stands, a second one is refused, Ctrl-C ends it", async () => {
  const home = join(scratch, "it stays");
  const { child, seen, read } = await stay(home);
  const command = /^ {2}(printf .*)$/m.exec(seen.text)?.[1] ?? "";
  expect((await run(["/bin/sh", "-c", command])).code).toBe(0);
  await until("the next message", () => seen.text.includes("delivery 2: success"));

  const second = await once("--home", home);
  expect([second.code, second.stderr]).toEqual([
    111,
    `npm start: qmail-send already runs in ${home}; stop it first, or choose another home with --home DIR\n`,
  ]);

  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  await read;
  expect(seen.text).toEndWith("status: exiting\n");
});

test.skipIf(Bun.which("swaks") === null)(
  "the printed swaks line works as it stands (needs swaks)",
  async () => {
    const { child, seen, read } = await stay(join(scratch, "by SMTP"));
    // Another run on this machine may have the port.
    const swaks = /^ {2}(swaks .*)$/m.exec(seen.text)?.[1];
    if (swaks === undefined) expect(seen.text).toContain("There is no SMTP on 127.0.0.1:2525");
    else {
      expect((await run(["/bin/sh", "-c", `PATH=$PATH:/usr/bin:/bin ${swaks}`])).code).toBe(0);
      await until("the message by SMTP", () => seen.text.includes("delivery 2: success"));
    }
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await read;
  },
);

test.skipIf(Bun.which("telnet") === null)(
  "the printed telnet lines work as they stand, and the password is shown once (needs telnet)",
  async () => {
    const home = join(scratch, "by telnet");
    const lines = (text: string): string[] => text.match(/^ {2}\(sleep .*telnet 127\.0\.0\.1 \d+$/gm) ?? [];
    const say = async (line: string) =>
      (await run(["/bin/sh", "-c", `PATH=$PATH:/usr/bin:/bin; ${line}`])).stdout.replaceAll("\r", "");
    const { child, seen, read } = await stay(home);
    // Another run on this machine may have the ports.
    const missing = /There is no (SMTP|POP3)/.test(seen.text);
    if (!missing) {
      const [smtp = "", pop3 = ""] = lines(seen.text);
      expect(await say(smtp)).toMatch(/^250 ok \d+ qp \d+$/m);
      await until("the message by SMTP", () => seen.text.includes("delivery 2: success"));
      expect(await say(pop3)).toContain("\nSubject: Your mail system works\n");
      for (const name of ["QMTP on 127.0.0.1:2209", "QMQP on 127.0.0.1:2628"])
        expect(seen.text).toContain(`by ${name}.\n`);
    }
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await read;
    const again = await stay(home);
    if (!missing) expect(lines(again.seen.text)[1]).toContain("PASS PASSWORD");
    again.child.kill("SIGINT");
    expect(await again.child.exited).toBe(0);
    await again.read;
  },
);

test("goes on without SMTP where the port is taken", async () => {
  const taken = Bun.serve({ port: 2525, hostname: "127.0.0.1", fetch: () => new Response("") });
  try {
    const { child, seen, read } = await stay(join(scratch, "taken"));
    expect(seen.text).toContain("unable to listen on 127.0.0.1:2525: address already used");
    expect(seen.text).toContain("There is no SMTP on 127.0.0.1:2525");
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await read;
  } finally {
    await taken.stop(true);
  }
});

test("ends with 1 when the first message does not arrive in time", async () => {
  const home = join(scratch, "late");
  await run([join(programs, "qmail"), "init", "--home", home, "--host", "mail.example"]);
  const [owner = ""] = (await run([join(programs, "qmail"), "user", "list", "--home", home])).stdout.split(
    "\t",
  );
  await Bun.write(join(home, `mail/${owner}/.qmail`), "./elsewhere/\n");
  const { code, stderr } = await run(words("--once", "--home", home), {
    environment: { ...environment, QMAIL_TS_PATIENCE: "700" },
  });
  expect(stderr).toBe("the first message did not arrive in 0.7 seconds; it is in the queue\n");
  expect(code).toBe(1);
});

test("a wrong option, and a place that is no home, are named", async () => {
  const wrong = await once("--hme", "/tmp/x");
  expect([wrong.code, wrong.stderr]).toEqual([100, expect.stringContaining("usage: npm start -- [--once]")]);
  const refused = await once("--home", "/etc");
  expect(refused.code).toBe(111);
  expect(refused.stderr).toContain("/etc is neither empty nor a qmail home");
  expect(existsSync("/etc/queue")).toBe(false);
});
