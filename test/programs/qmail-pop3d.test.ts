/** qmail-pop3d and qmail-popup under bad conditions, and together; the recorded cases are in test/conformance. */
import { expect, test } from "bun:test";
import { chmodSync, ftruncateSync, mkdirSync, openSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { bin, run, Scratch } from "../helpers/built.ts";
import { watchMemory } from "../helpers/memory.ts";

/** A private home with a Maildir, whoever runs the tests. */
class Box extends Scratch {
  readonly env: Record<string, string>;
  constructor() {
    super();
    for (const folder of ["new", "cur", "tmp"]) mkdirSync(this.in("Maildir", folder), { recursive: true });
    this.env = { QMAILHOME: this.path };
  }
  /** Puts a message that is not of this second into the Maildir. */
  message(name: string, text: string): void {
    utimesSync(this.write(`Maildir/${name}`, text), 1e9, 1e9);
  }
  fetch(input: string) {
    return run("qmail-pop3d", {
      args: ["Maildir"],
      stdin: Buffer.from(input, "latin1"),
      env: this.env,
      cwd: this.path,
    });
  }
  names(folder: string): string[] {
    return readdirSync(this.in("Maildir", folder)).sort();
  }
}

test("a session that is not ended by QUIT changes nothing", async () => {
  using box = new Box();
  box.message("new/a", "a\n");
  const { code, stdout } = await box.fetch("DELE 1\r\nRETR 1\r\n");
  expect({ code, stdout, names: box.names("new") }).toEqual({
    code: 0,
    stdout: "+OK \r\n+OK \r\n-ERR already deleted\r\n",
    names: ["a"],
  });
});

test("a message that another reader took is told, and the rest goes on", async () => {
  using box = new Box();
  box.message("new/a", "a\n");
  box.message("new/b", "b\n");
  const child = Bun.spawn([join(bin, "qmail-pop3d"), "Maildir"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: box.env,
    cwd: box.path,
  });
  const reader = child.stdout.getReader();
  await reader.read();
  Bun.spawnSync(["rm", box.in("Maildir/new/a")]);
  child.stdin.write("RETR 1\r\nDELE 1\r\nRETR 2\r\nQUIT\r\n");
  await child.stdin.end();
  const parts: Buffer[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read())
    parts.push(Buffer.from(next.value));
  expect(Buffer.concat(parts).toString()).toBe(
    "-ERR unable to open that message\r\n+OK \r\n+OK \r\nb\r\n\r\n.\r\n-ERR unable to unlink all deleted messages\r\n+OK \r\n",
  );
  expect(await child.exited).toBe(0);
  expect(box.names("cur")).toEqual(["b:2,"]);
});

test("a message that cannot be read to its end does not look complete", async () => {
  using box = new Box();
  mkdirSync(box.in("Maildir/new/directory"));
  utimesSync(box.in("Maildir/new/directory"), 1e9, 1e9);
  const { code, stdout } = await box.fetch("RETR 1\r\nNOOP\r\n");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "+OK \r\n+OK \r\n" });
});

test("200 MB take bounded memory", async () => {
  using box = new Box();
  box.message("new/a", "Subject: large\n\n");
  ftruncateSync(openSync(box.in("Maildir/new/a"), "r+"), 200 << 20);
  utimesSync(box.in("Maildir/new/a"), 1e9, 1e9);
  const child = Bun.spawn([join(bin, "qmail-pop3d"), "Maildir"], {
    stdio: [Buffer.from("RETR 1\r\n"), "pipe", "inherit"],
    env: { ...box.env, PATH: `${bin}:/usr/bin:/bin` },
    cwd: box.path,
  });
  const peak = watchMemory(child.pid);
  let received = 0;
  for await (const piece of child.stdout) received += piece.length;
  expect(received).toBe((200 << 20) + "+OK \r\n+OK \r\n".length + 2 + "\r\n\r\n.\r\n".length);
  await child.exited;
  expect(peak()).toBeLessThan(100 << 20);
}, 900_000);

test("a client that reads no more ends the session", async () => {
  using box = new Box();
  box.message("new/a", "x\n".repeat(500_000));
  const script = `{ printf 'RETR 1\\r\\nRETR 1\\r\\n'; sleep 20; } | { qmail-pop3d Maildir; echo $? >&2; } | head -c 100 >/dev/null`;
  const child = Bun.spawn(["sh", "-c", script], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...box.env, PATH: `${bin}:/usr/bin:/bin` },
    cwd: box.path,
  });
  const reader = child.stderr.getReader();
  const { value } = await reader.read();
  expect(Buffer.from(value ?? []).toString()).toBe("0\n");
  child.kill();
});

/** Runs qmail-popup with a checker, a shell script. */
function login(box: Box, checker: string, input: string, ...args: string[]) {
  const script = box.write("checker", `#!/bin/sh\n${checker}\n`, 0o755);
  return run("qmail-popup", {
    args: ["host", script, ...args],
    stdin: Buffer.from(input, "latin1"),
    env: box.env,
    cwd: box.path,
  });
}

test("what is sent behind the password reaches the program behind the checker", async () => {
  using box = new Box();
  box.message("new/a", "a\n");
  const { stdout, code } = await login(
    box,
    'exec 3<&-; exec "$@"',
    "USER a\r\nPASS b\r\nSTAT\r\nQUIT\r\n",
    join(bin, "qmail-pop3d"),
    "Maildir",
  );
  expect(stdout).toMatch(/^\+OK <\d+\.\d+@host>\r\n\+OK \r\n\+OK \r\n\+OK 1 2\r\n\+OK \r\n$/);
  expect(code).toBe(1);
});

for (const [name, checker, ending] of [
  ["is killed", "kill -9 $$", "-ERR aack, child crashed\r\n"],
  ["says no", "exit 1", "-ERR authorization failed\r\n"],
  ["reads nothing", "exec true", "+OK \r\n"],
  ["reads late", "sleep 0.2; cat <&3 >read", "+OK \r\n"],
] as const) {
  test(`a checker that ${name}`, async () => {
    using box = new Box();
    const long = "x".repeat(16000);
    const { stdout, stderr, code } = await login(box, checker, `USER ${long}\r\nPASS ${long}\r\n`);
    expect(stdout).toEndWith(ending);
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    if (name === "reads late") expect(box.read("read")).toMatch(/^x{16000}\0x{16000}\0<\d+\.\d+@host>\0$/);
  });
}

test("a checker without rights to execute it lets nobody in", async () => {
  using box = new Box();
  const script = box.write("no", "");
  chmodSync(script, 0o644);
  const { stdout } = await run("qmail-popup", {
    args: ["host", script],
    stdin: Buffer.from("USER a\r\nPASS b\r\n"),
    env: box.env,
  });
  expect(stdout).toEndWith("-ERR authorization failed\r\n");
});
