/** qmail-qmtpd and qmail-qmqpd under bad conditions; the recorded cases are in test/conformance. */
import { expect, test } from "bun:test";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { run, Scratch } from "../helpers/built.ts";

/** A home, and a queue program that says when it is done, and what it found in the envelope. */
class Home extends Scratch {
  readonly env: Record<string, string>;
  constructor() {
    super();
    this.write("control/me", "mx\n");
    const script = `#!/bin/sh\ncat >/dev/null\ncat <&1 >'${this.in("envelope")}'\n: >'${this.in("done")}'\nexit 0\n`;
    this.env = { QMAILHOME: this.path, QMAILQUEUE: this.write("q", script, 0o755) };
  }
  /** The envelope that the queue program got. */
  async envelope(): Promise<string> {
    while (!(await Bun.file(this.in("done")).exists())) await Bun.sleep(5);
    return this.read("envelope");
  }
}

const sessions = [
  ["qmail-qmtpd", "7:\nhello\n,3:a@b,6:3:joe,,"],
  ["qmail-qmqpd", "21:6:hello\n,3:a@b,3:joe,,"],
] as const;

for (const [program, session] of sessions) {
  test(`${program}: a session that breaks off at any byte never makes the envelope complete`, async () => {
    for (const length of [12, 16, 17, session.length - 1]) {
      using home = new Home();
      const stdin = Buffer.from(session.slice(0, length));
      expect(await run(program, { stdin, env: home.env })).toMatchObject({ code: 0, stdout: "", stderr: "" });
      expect(await home.envelope()).not.toEndWith("\0\0");
    }
  });

  test(`${program}: a home that is not there is a temporary failure`, async () => {
    using home = new Home();
    const env = { ...home.env, QMAILHOME: home.in("no") };
    expect(await run(program, { stdin: Buffer.from(session), env })).toMatchObject({ code: 111, stdout: "" });
  });

  test(`${program}: a queue program that is not there is a temporary failure`, async () => {
    using home = new Home();
    const env = { ...home.env, QMAILQUEUE: home.in("no") };
    const { code, stdout } = await run(program, { stdin: Buffer.from(session), env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "27:Zunable to exec qq (#4.3.0)," });
  });

  test(`${program}: a queue program that refuses early is believed, however much follows`, async () => {
    using home = new Home();
    const QMAILQUEUE = home.write("refuse", "#!/bin/sh\nexit 31\n", 0o755);
    const size = 2_000_000;
    const text = "x".repeat(size);
    const stdin =
      program === "qmail-qmtpd"
        ? `${size + 1}:\n${text},3:a@b,6:3:joe,,`
        : `${size + 9 + 12}:${size}:${text},3:a@b,3:joe,,`;
    const { stdout } = await run(program, { stdin: Buffer.from(stdin), env: { ...home.env, QMAILQUEUE } });
    expect(stdout).toBe("50:Dmail server permanently rejected message (#5.3.0),");
  });
}

for (const [program, beginning] of [
  ["qmail-qmtpd", "200000000:\r"],
  ["qmail-qmtpd", "200000000:\n"],
  ["qmail-qmtpd", "2:\nx,200000000:"],
  ["qmail-qmqpd", "220000000:200000000:"],
] as const) {
  test(`${program}: 200 MB after ${JSON.stringify(beginning)} take bounded memory`, async () => {
    using home = new Home();
    const file = openSync(home.in("session"), "w");
    writeSync(file, beginning);
    ftruncateSync(file, 199_000_000);
    closeSync(file);
    const { code, memory } = await run(program, { stdin: { file: home.in("session") }, env: home.env });
    expect(code).toBe(0);
    expect(memory).toBeLessThan(100 << 20);
  }, 900_000);
}
