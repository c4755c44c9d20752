/** Servers that stay: the same sessions as one-shot, and clients that behave badly. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../helpers/built.ts";
import { patience } from "../helpers/patience.ts";
import { Resident, session } from "../helpers/resident.ts";
import { Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

const begin = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

const steady = (text: string): string => text.replace(/250 ok \d+ qp \d+/g, "250 ok N qp P");

interface Case {
  id: string;
  stdin?: string;
  stdin_b64?: string;
  env: Record<string, string>;
}
const file = join(import.meta.dir, "../conformance/vectors/qmail-smtpd.jsonl");
const recorded = (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [])
  .map((line) => JSON.parse(line) as Case)
  .filter(({ stdin, stdin_b64 }) => (stdin ?? stdin_b64 ?? "").length < 3000);

test("recorded sessions sound the same as one-shot, whole and in single bytes", async () => {
  using home = new Resident();
  const variables = recorded[0]?.env ?? {};
  await home.start("--rules", home.rules(variables));
  const sample = recorded.filter((_, index) => index % 20 === 0);
  expect(sample.length).toBeGreaterThan(10);
  for (const { id, stdin, stdin_b64 } of sample) {
    const input = stdin_b64 === undefined ? Buffer.from(stdin ?? "") : Buffer.from(stdin_b64, "base64");
    const oneShot = await run("qmail-smtpd", { stdin: input, env: { ...home.env, ...variables } });
    for (const single of [false, true])
      expect([id, single, steady(await session(home.port, input, single))]).toEqual([
        id,
        single,
        steady(oneShot.stdout),
      ]);
  }
  expect(await home.stop()).toBe(0);
});

test("who connects is in the Received field; RELAYCLIENT and a queue program come from the rules", async () => {
  using home = new Resident();
  const other = home.write(
    "other",
    `#!/bin/sh\ncat >'${home.in("other-message")}'\ncat <&1 >/dev/null\n`,
    0o755,
  );
  await home.start("--rules", home.rules({ RELAYCLIENT: "@relay", QMAILQUEUE: other }));
  const text = await session(home.port, Buffer.from(`${begin.replace("c@d", "x@far")}hi\r\n.\r\nQUIT\r\n`));
  expect(steady(text)).toBe(
    "220 mx ESMTP\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 ok N qp P\r\n221 mx\r\n",
  );
  expect(home.read("other-message")).toMatch(
    /^Received: from unknown \(127\.0\.0\.1\)\n {2}by 127\.0\.0\.1 with SMTP;/,
  );
  home.rules({}, true);
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toBe("");
});

test("200 clients in turn, resets among them, leave no descriptor behind", async () => {
  using home = new Resident();
  await home.start();
  const open = () =>
    [...new Bun.Glob("*").scanSync({ cwd: `/proc/${home.child?.pid}/fd`, onlyFiles: false })].length;
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toContain("221 mx");
  const before = open();
  for (let count = 0; count < 200; count++) {
    const talk = new Talk(home.port);
    if (count % 4 === 0) {
      talk.socket.write(count % 8 === 0 ? `${begin}half` : "NOO");
      await talk.hears(count % 8 === 0 ? "354" : "220");
      talk.socket.resetAndDestroy();
    } else {
      talk.socket.write("NOOP\r\nQUIT\r\n");
      await talk.ended;
      expect(talk.text).toBe("220 mx ESMTP\r\n250 ok\r\n221 mx\r\n");
      talk.socket.destroy();
    }
  }
  for (const end = Date.now() + patience * 1000; open() > before && Date.now() < end; ) await Bun.sleep(20);
  expect(open()).toBeLessThanOrEqual(before);
  expect(home.log).not.toContain("warning");
});

test("a silent client and one that takes nothing are cut; others are served meanwhile", async () => {
  using home = new Resident();
  home.write("control/timeoutsmtpd", "1\n");
  await home.start();
  const silent = new Talk(home.port);
  silent.socket.write("NOO");
  const deaf = new Talk(home.port);
  deaf.socket.pause();
  deaf.socket.write("EHLO x\r\n".repeat(400_000));
  await silent.hears("220");
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toContain("221 mx");
  await silent.ended;
  expect(silent.text).toBe("220 mx ESMTP\r\n451 timeout (#4.4.2)\r\n");
  silent.socket.destroy();
  deaf.socket.destroy();
});

test("a client that sends a byte now and then is cut", async () => {
  using home = new Resident();
  home.write("control/timeoutsmtpd", "1\n");
  await home.start();
  for (const prefix of ["", begin]) {
    const slow = new Talk(home.port);
    slow.socket.write(prefix);
    await slow.hears(prefix === "" ? "220" : "354");
    const timer = setInterval(() => slow.socket.write("x"), 100);
    await slow.ended;
    clearInterval(timer);
    expect(slow.text).toEndWith("451 timeout (#4.4.2)\r\n");
    slow.socket.destroy();
  }
});

test("QMTP: messages one after the other, and pieces of one", async () => {
  using home = new Resident();
  home.program = "qmail-qmtpd";
  await home.start();
  const message = Buffer.from("5:\nhell,3:a@b,16:3:c@d,7:c@other,,");
  const steadyAnswer =
    /^[0-9]+:Kok \d+ qp \d+,66:Dsorry, that domain isn't in my list of allowed rcpthosts \(#5\.7\.1\),$/;
  expect(await session(home.port, message)).toMatch(steadyAnswer);
  expect(await session(home.port, message, true)).toMatch(steadyAnswer);
  expect((await session(home.port, Buffer.concat([message, message]))).match(/Kok/g)).toHaveLength(2);
  expect(home.read("queued-message")).toEndWith("hell");
  expect(home.read("queued-envelope")).toBe("Fa@b\0Tc@d\0\0");
  expect(await session(home.port, Buffer.from("x"))).toBe("");
});

test("QMQP: relays, and forgets a client that leaves in the middle", async () => {
  using home = new Resident();
  home.program = "qmail-qmqpd";
  await home.start("--rules", home.rules({ TCPREMOTEINFO: "joe" }));
  const message = Buffer.from("23:4:hell,3:a@b,7:c@other,,");
  expect(await session(home.port, message.subarray(0, 20))).toBe("");
  expect(await session(home.port, message)).toMatch(/^\d+:Kok \d+ qp \d+,$/);

  expect(home.read("queued-message")).toContain("(joe@127.0.0.1)");
});

/** A checker that lets joe in, and a mailbox program that repeats what the client says. */
function withMailbox(): Resident {
  const home = new Resident();
  home.program = "qmail-popup";
  const mailbox = home.write(
    "mailbox",
    '#!/bin/sh\nprintf "+OK in $TCPREMOTEIP\\r\\n"; while read line; do echo "got $line"; test "$line" = bye && exit 0; done\n',
    0o755,
  );
  const script = `#!/bin/sh\ntr "\\000" " " <&3 >'${home.in("asked")}'\ngrep -q "^joe good" '${home.in("asked")}' || exit 1\nexec '${mailbox}'\n`;
  home.arguments = ["pop.example", home.write("checker", script, 0o755)];
  return home;
}

/** A dialogue of a client that waits for each answer. */
async function dialogue(port: number, ...lines: (readonly [string, string])[]): Promise<string> {
  const talk = new Talk(port);
  await talk.hears("+OK <");
  for (const [line, answer] of lines) {
    talk.socket.write(line);
    await talk.hears(answer);
  }
  talk.socket.end();
  await talk.ended;
  return talk.text;
}

test("POP3: who is let in speaks with the program alone, also about what was sent ahead", async () => {
  using home = withMailbox();
  await home.start();
  const greeting = /^\+OK <\d+\.\d+\.\d+@pop\.example>\r\n/;
  const polite = await dialogue(
    home.port,
    ["USER joe\r\n", "+OK \r\n"],
    ["PASS good\r\n", "in 127"],
    ["one\n", "got one"],
    ["bye\n", "got bye"],
  );
  expect(polite.replace(greeting, "")).toBe("+OK \r\n+OK in 127.0.0.1\r\ngot one\ngot bye\n");
  const hasty = await dialogue(
    home.port,
    ["USER joe\r\nPASS good\r\none\ntwo\n", "got two"],
    ["bye\n", "got bye"],
  );
  expect(hasty.replace(greeting, "")).toBe("+OK \r\n+OK in 127.0.0.1\r\ngot one\ngot two\ngot bye\n");
  expect(home.read("asked")).toMatch(/^joe good <\d+\.2\.\d+@pop\.example> $/);
});

test("POP3: who is not let in hears why, and the server goes on", async () => {
  using home = withMailbox();
  await home.start("--per-client", "3");
  for (let count = 0; count < 5; count++)
    expect(await session(home.port, Buffer.from("USER joe\r\nPASS bad\r\nmore\r\n"))).toEndWith(
      "+OK \r\n-ERR authorization failed\r\n",
    );
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toEndWith("+OK \r\n");
  expect(home.log).not.toContain("warning");
});

test("POP3: without a subprogram nothing is listened for", async () => {
  expect(await run("qmail-popup", { args: ["--listen", "127.0.0.1:0", "host"] })).toMatchObject({
    code: 100,
    stderr: expect.stringContaining("usage: qmail-popup --listen"),
  });
});

test("limits in all and per client are told", async () => {
  using home = new Resident();
  await home.start("--connections", "2", "--per-client", "1");
  const first = new Talk(home.port);
  await first.hears("220");
  expect(await session(home.port, Buffer.from(""))).toBe(
    "421 too many connections, try again later (#4.3.2)\r\n",
  );
  first.socket.end("QUIT\r\n");
  await first.ended;
  first.socket.destroy();
  await Bun.sleep(50);
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toContain("221 mx");
});

test("more clients than descriptors: those within are served, the rest are told, and it goes on", async () => {
  using home = new Resident();
  home.through = ["/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh"];
  await home.start();
  const talks = Array.from({ length: 150 }, () => new Talk(home.port));
  await Promise.all(talks.map((talk) => talk.hears("\r\n")));
  expect([...new Set(talks.map(({ text }) => text.slice(0, 3)))].sort()).toEqual(["220", "421"]);
  for (const { socket } of talks) socket.destroy();
  await Bun.sleep(50);
  expect(steady(await session(home.port, Buffer.from(`${begin}x\r\n.\r\nQUIT\r\n`)))).toContain(
    "250 ok N qp P",
  );
});

test("SIGTERM: no new clients, idle ones are told, a message on its way arrives", async () => {
  using home = new Resident();
  await home.start();
  const idle = new Talk(home.port);
  const sending = new Talk(home.port);
  sending.socket.write(`${begin}first half\r\n`);
  await sending.hears("354");
  await idle.hears("220");
  const over = home.stop();
  await idle.ended;
  expect(idle.text).toBe("220 mx ESMTP\r\n421 shutting down (#4.3.2)\r\n");
  idle.socket.destroy();
  const late = new Talk(home.port);
  await late.ended;
  expect(late.text).toBe("");
  sending.socket.write("second half\r\n.\r\n");
  await sending.ended;
  expect(steady(sending.text)).toEndWith("354 go ahead\r\n250 ok N qp P\r\n421 shutting down (#4.3.2)\r\n");
  sending.socket.destroy();
  expect(await over).toBe(0);
  expect(home.read("queued-message")).toEndWith("first half\nsecond half\n");
});

test("an address that is taken, a wrong option and an unknown user are named", async () => {
  using home = new Resident();
  await home.start();
  const start = (...args: string[]) => run("qmail-smtpd", { args, env: home.env });
  expect(await start("--listen", `127.0.0.1:${home.port}`)).toMatchObject({
    code: 111,
    stderr: `qmail-smtpd: fatal: unable to listen on 127.0.0.1:${home.port}: address already used\n`,
  });
  for (const args of [
    ["--listen", "x:25"],
    ["--listen", "[::1]"],
    ["--listen", "127.0.0.1:0", "--backlog", "0"],
  ])
    expect(await start(...args)).toMatchObject({
      code: 100,
      stderr: expect.stringContaining(args.at(-1) ?? ""),
    });
  expect(await start("--listen", "127.0.0.1:0", "--user", "no such")).toMatchObject({ code: 100 });
});
