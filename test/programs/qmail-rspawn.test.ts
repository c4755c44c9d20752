/** qmail-rspawn beyond the recorded cases. */
import { afterAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Sink } from "../crash/sink.ts";
import { type Manners, SmtpHost } from "../helpers/smtp-host.ts";
import { PrivateHome, programs, type Spawner } from "../helpers/spawner.ts";

const home = new PrivateHome();
afterAll(() => home.remove());

async function deliverOnce(
  recipient: Uint8Array | string,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const spawner = home.start("qmail-rspawn", [], more);
  await spawner.deliver(9, recipient);
  const [delivery, report] = await spawner.report();
  expect(delivery).toBe(9);
  expect(await spawner.end()).toBe(0);
  return report;
}

test("no mail bounces because qmail-remote is not installed", async () => {
  expect(await deliverOnce("j@h.example")).toBe("ZUnable to run qmail-remote.\n");
});

test("host, sender and recipient, as bytes", async () => {
  home.script("remote", 'printf "r\\0K%s|%s|%s\\n\\0" "$@"');
  const recipient = Buffer.from("j\xe9@sub@h\xff.example", "latin1");
  expect(await deliverOnce(recipient, { QMAILREMOTE: `${home.path}/bin/remote` })).toBe(
    "Kh\xff.example|a@b|j\xe9@sub@h\xff.example\n",
  );
});

test("a recipient that ends in @ has an empty host", async () => {
  home.script("remote", 'printf "r\\0K%s|%s|%s\\n\\0" "$@"');
  expect(await deliverOnce("j@", { QMAILREMOTE: `${home.path}/bin/remote` })).toBe("K|a@b|j@\n");
});

test("output without end is stopped, and is no reason to bounce", async () => {
  home.script("remote", "head -c 3000000 /dev/zero | tr '\\0' a; printf '\\0Kok\\0'");
  expect(await deliverOnce("j@h", { QMAILREMOTE: `${home.path}/bin/remote` })).toBe(
    "Zqmail-remote produced too much output.\n",
  );
});

test("with numbers of two bytes there are more than 255 slots", async () => {
  home.script("remote", 'printf "r\\0K%s|%s|%s\\n\\0" "$@"');
  const more = { QMAILREMOTE: `${home.path}/bin/remote`, QMAILSLOTWIDTH: "2" };
  const spawner = home.start("qmail-rspawn", [], more);
  for (const slot of [300, 0, 2]) {
    await spawner.deliver(slot, "j@h");
    expect(await spawner.report()).toEqual([slot, "Kh|a@b|j@h\n"]);
  }
  await spawner.deliver(65535, "j@h");
  expect(await spawner.report()).toEqual([65535, "ZInternal error: delnum too big. (#4.3.5)\n"]);
  expect(await spawner.end()).toBe(0);
});

test("what qmail-start says about numbers does not reach the programs that are run", async () => {
  home.script("remote", 'printf "r\\0K%s\\n\\0" "$(env | grep -c QMAILSLOT)"');
  const more = { QMAILREMOTE: `${home.path}/bin/remote`, QMAILSLOTWIDTH: "2" };
  const spawner = home.start("qmail-rspawn", [], more);
  await spawner.deliver(1, "j@h");
  expect(await spawner.report()).toEqual([1, "K0\n"]);
  expect(await spawner.end()).toBe(0);
});

/** A home whose qmail-remote is ours, and a host to which all its mail goes. */
function route(host: { port: number }, file = "smtproutes"): Record<string, string> {
  home.write("control/me", "me.example\n");
  home.write(`control/${file}`, `:127.0.0.1:${host.port}\n`);
  home.write("queue/lock/tcpto", "\0".repeat(1024));
  return { PATH: programs };
}

const kept = "K127.0.0.1 accepted message.\nRemote host said: 250 kept\n";
const count = (host: SmtpHost, line: string) => host.lines.filter((each) => each === line).length;

/** Deliveries one after the other; their reports. */
async function inTurn(spawner: Spawner, times: number): Promise<string[]> {
  const reports: string[] = [];
  for (let time = 0; time < times; time++) {
    await spawner.deliver(time, "j@h.example");
    reports.push((await spawner.report())[1]);
  }
  return reports;
}

test("one connection for many messages, and QUIT at its end", async () => {
  using host = await SmtpHost.start();
  const spawner = home.start("qmail-rspawn", [], route(host));
  expect(await inTurn(spawner, 5)).toEqual(Array.from({ length: 5 }, () => kept));
  expect(host.connections).toBe(1);
  expect(host.lines.filter((line) => /^[A-Z]{4}/.test(line)).map((line) => line.slice(0, 4))).toEqual([
    "HELO",
    ...Array.from({ length: 5 }, () => ["MAIL", "RCPT", "DATA"]).flat(),
  ]);
  await until(() => host.open === 0);
  expect(count(host, "QUIT")).toBe(1);
  expect(await inTurn(spawner, 1)).toEqual([kept]);
  expect(host.connections).toBe(2);
  expect(await spawner.end()).toBe(0);
  await until(() => count(host, "QUIT") === 2);
});

test("no connection has more than a hundred messages", async () => {
  using host = await SmtpHost.start();
  const spawner = home.start("qmail-rspawn", [], route(host));
  expect(new Set(await inTurn(spawner, 101))).toEqual(new Set([kept]));
  expect(host.connections).toBe(2);
  expect(await spawner.end()).toBe(0);
});

test("a refusal, RSET, and the next message by the same connection", async () => {
  let first = true;
  using host = await SmtpHost.start({
    answer: (line) => {
      if (!line.startsWith("RCPT") || !first) return undefined;
      first = false;
      return "550 no\r\n";
    },
  });
  const spawner = home.start("qmail-rspawn", [], route(host));
  expect(await inTurn(spawner, 2)).toEqual([
    "D127.0.0.1 does not like recipient.\nRemote host said: 550 no\nGiving up on 127.0.0.1.\n",
    kept,
  ]);
  expect([host.connections, count(host, "RSET")]).toEqual([1, 1]);
  expect(await spawner.end()).toBe(0);
});

/** What a server does to the second MAIL of a connection. */
for (const [about, answer] of [
  ["421", () => "421 enough\r\n"],
  ["452", () => "452 enough\r\n"],
  [
    "the end",
    (socket: Socket) => {
      socket.end();
      return "";
    },
  ],
  [
    "a reset",
    (socket: Socket) => {
      socket.resetAndDestroy();
      return "";
    },
  ],
] as const)
  test(`a connection that meets ${about} at its second message is replaced, and nobody hears of it`, async () => {
    const used = new WeakSet<Socket>();
    using host = await SmtpHost.start({
      answer: (line, socket) => {
        if (!line.startsWith("MAIL")) return undefined;
        if (used.has(socket)) return answer(socket);
        used.add(socket);
        return undefined;
      },
    });
    const spawner = home.start("qmail-rspawn", [], route(host));
    expect(await inTurn(spawner, 3)).toEqual([kept, kept, kept]);
    expect(host.connections).toBe(3);
    expect(await spawner.end()).toBe(0);
  });

test("a server that closes while nothing is to be done is connected to anew", async () => {
  using host = await SmtpHost.start({
    received: (socket) => {
      socket.write("250 kept\r\n");
      setTimeout(() => socket.end("421 bye\r\n"), 100);
    },
  });
  const spawner = home.start("qmail-rspawn", [], route(host));
  expect(await inTurn(spawner, 1)).toEqual([kept]);
  await until(() => host.open === 0);
  expect(await inTurn(spawner, 1)).toEqual([kept]);
  expect(host.connections).toBe(2);
  expect(await spawner.end()).toBe(0);
});

test("behind the final dot no message is sent again", async () => {
  let messages = 0;
  using host = await SmtpHost.start({
    received: (socket) => {
      if (++messages === 1) socket.write("250 kept\r\n");
      else socket.destroy();
    },
  });
  const spawner = home.start("qmail-rspawn", [], route(host));
  expect(await inTurn(spawner, 2)).toEqual([
    kept,
    "ZConnected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n",
  ]);
  expect([host.connections, messages]).toEqual([1, 2]);
  expect(await spawner.end()).toBe(0);
});

test("a changed route counts at once", async () => {
  using host = await SmtpHost.start();
  using other = await SmtpHost.start();
  const spawner = home.start("qmail-rspawn", [], route(host));
  await inTurn(spawner, 1);
  route(other);
  await inTurn(spawner, 1);
  expect([host.connections, other.connections]).toEqual([1, 1]);
  expect(await spawner.end()).toBe(0);
});

/** Servers of all kinds: the report is what qmail-remote's would be. */
const rows: readonly (readonly [string, Manners])[] = [
  ["takes the message", {}],
  [
    "says ESMTP",
    {
      greeting: "220 mx ESMTP\r\n",
      answer: (line) => (line.startsWith("EHLO") ? "250-x\r\n250 PIPELINING\r\n" : undefined),
    },
  ],
  ["has no time", { greeting: "421 no\r\n" }],
  ["greets with garbage", { greeting: "\0\xff\r\n" }],
  ["knows no HELO", { answer: (line) => (line.startsWith("HELO") ? "550-no\r\n550 never\r\n" : undefined) }],
  ["takes no sender", { answer: (line) => (line.startsWith("MAIL") ? "553 no\0no\r\n" : undefined) }],
  [
    "takes the recipient later",
    { answer: (line) => (line.startsWith("RCPT") ? "450 later\r\n" : undefined) },
  ],
  ["takes no DATA", { answer: (line) => (line === "DATA" ? "554 no\r\n" : undefined) }],
  ["refuses the message", { received: (socket) => socket.write("552 too big\r\n") }],
  [
    "refuses at length",
    { received: (socket) => socket.write(`${"552-x".repeat(9)}\r\n`.repeat(900).concat("552 x\r\n")) },
  ],
  ["is gone", { received: (socket) => socket.destroy() }],
  ["says nothing", { greeting: "" }],
  ["stops in the middle", { answer: (line) => (line.startsWith("RCPT") ? "25" : undefined) }],
];
for (const [about, manners] of rows)
  test(`the report of a host that ${about}: as by qmail-remote`, async () => {
    home.write("control/timeoutremote", "1\n");
    using host = await SmtpHost.start(manners);
    const ours = await deliverOnce("j@h.example", route(host));
    expect(await deliverOnce("j@h.example", { QMAILREMOTE: join(programs, "qmail-remote") })).toBe(ours);
    expect(ours).toMatch(/^[KZD]/);
    home.write("control/timeoutremote", "1200\n");
  });

for (const [about, file, content] of [
  ["nobody listens", "smtproutes", ":127.0.0.1:1\n"],
  ["no name is known", "smtproutes", ":no.such.name.invalid\n"],
  ["there is no name of our own", "me", undefined],
] as const)
  test(`the report where ${about}: as by qmail-remote`, async () => {
    using host = await SmtpHost.start();
    const env = { ...route(host), DNSCACHEIP: "127.0.0.1:1" };
    if (content === undefined) rmSync(join(home.path, "control", file));
    else home.write(`control/${file}`, content);
    const ours = await deliverOnce("j@h.example", env);
    expect(await deliverOnce("j@h.example", { ...env, QMAILREMOTE: join(programs, "qmail-remote") })).toBe(
      ours,
    );
    expect(ours).toMatch(/^Z/);
  });

test("a host that does not answer is noted, one that refuses is not", async () => {
  using host = await SmtpHost.start();
  const env = route(host);
  const table = () => readFileSync(join(home.path, "queue/lock/tcpto"));
  home.write("control/timeoutconnect", "1\n");
  home.write("control/smtproutes", ":127.0.0.1:1\n");
  await deliverOnce("j@h.example", env);
  expect(table().some((byte) => byte !== 0)).toBe(false);
  // A queue of connections that is full, and nobody who takes any: no answer to the next one.
  const full = await fullListener();
  home.write("control/smtproutes", `:127.0.0.1:${full.port}\n`);
  expect(await deliverOnce("j@h.example", env)).toBe(
    "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n",
  );
  full.end();
  expect(table().subarray(0, 5)).toEqual(Buffer.from([127, 0, 0, 1, 1]));
  home.write("control/timeoutconnect", "60\n");
});

test("many at a time: one that hangs holds nobody up", async () => {
  let hung: Socket | undefined;
  using host = await SmtpHost.start({
    received: (socket) => {
      if (hung === undefined) hung = socket;
      else socket.write("250 kept\r\n");
    },
  });
  const spawner = home.start("qmail-rspawn", [], route(host));
  await spawner.deliver(0, "j@h.example");
  await until(() => hung !== undefined);
  for (let delivery = 1; delivery < 100; delivery++) await spawner.deliver(delivery, "j@h.example");
  const seen = new Set<number>();
  for (let delivery = 1; delivery < 100; delivery++) {
    const [number, report] = await spawner.report();
    expect(report).toBe(kept);
    seen.add(number);
  }
  expect([seen.size, seen.has(0)]).toEqual([99, false]);
  hung?.write("250 kept\r\n");
  expect(await spawner.report()).toEqual([0, kept]);
  expect(await spawner.end()).toBe(0);
});

test("without descriptors deliveries wait, and the others go on", async () => {
  const hung: Socket[] = [];
  using host = await SmtpHost.start({ received: (socket) => hung.push(socket) });
  home.script("limited", `ulimit -n 110; exec "${join(programs, "qmail-rspawn")}"`);
  const spawner = home.start("limited", [], route(host));
  for (let delivery = 0; delivery < 110; delivery++) await spawner.deliver(delivery, "j@h.example");
  const reports: string[] = [];
  for (let seen = 0; seen < 110; seen++) {
    const next = spawner.report();
    for (let waiting = true; waiting; ) {
      waiting = await Promise.race([next.then(() => false), Bun.sleep(100).then(() => true)]);
      // Who got a connection is answered when all the others are.
      if (waiting) for (const socket of hung.splice(0)) socket.write("250 kept\r\n");
    }
    reports.push((await next)[1]);
  }
  const known = [
    kept,
    "ZSystem resources temporarily unavailable. (#4.3.0)\n",
    "Zqmail-spawn unable to open message. (#4.3.0)\n",
  ];
  expect(reports.filter((report) => !known.includes(report))).toEqual([]);
  expect(reports.filter((report) => report === known[1]).length).toBeGreaterThan(0);
  expect(reports.filter((report) => report === kept).length).toBeGreaterThan(5);
  expect(await spawner.end()).toBe(0);
});

test("large messages that travel side by side are not mixed", async () => {
  const arrived: string[] = [];
  using sink = await Sink.start(({ text }) => arrived.push(text));
  const ids = [30, 53, 76, 99, 122, 145, 168, 191];
  const text = (id: number) =>
    Array.from(
      { length: 6000 },
      (_, line) => `message ${id}, line ${line} of 6000, ${"x".repeat(20)}\n`,
    ).join("");
  for (const id of ids) home.write(`queue/mess/7/${id}`, text(id));
  const spawner = home.start("qmail-rspawn", [], route(sink));
  for (const [slot, id] of ids.entries()) await spawner.deliver(slot, "j@h.example", "a@b", `7/${id}`);
  for (const _ of ids) expect((await spawner.report())[1]).toBe(kept);
  expect(await spawner.end()).toBe(0);
  expect(arrived.map((each) => ids.find((id) => each === text(id))).sort()).toEqual([...ids].sort());
  for (const id of ids.slice(1)) rmSync(join(home.path, `queue/mess/7/${id}`));
  home.write("queue/mess/7/30", "Subject: s\n\nbody\n");
});

test("a large message is not held in memory", async () => {
  using host = await SmtpHost.start();
  const line = `${"x".repeat(1022)}\r\n`;
  home.write("queue/mess/7/30", line.repeat(100 * 1024));
  const spawner = home.start("qmail-rspawn", [], route(host));
  await spawner.deliver(0, "j@h.example");
  expect(await spawner.report()).toEqual([0, kept]);
  expect(host.size).toBe(100 * 1024 * 1024 + 3);
  const peak = Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${spawner.pid}/status`, "utf8"))?.[1]);
  expect(peak).toBeLessThan(160 * 1024);
  expect(await spawner.end()).toBe(0);
  home.write("queue/mess/7/30", "Subject: s\n\nbody\n");
});

test("QMTP where a route says so", async () => {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (data: Buffer) => {
      received.push(data);
      if (Buffer.concat(received).toString().endsWith(",,")) socket.write("3:Kok,");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  home.write("control/qmtproutes", `:127.0.0.1:${port}\n`);
  expect(await deliverOnce("j@h.example", { PATH: programs })).toBe(
    "K127.0.0.1 accepted message.\nRemote host said: ok\n",
  );
  server.close();
  rmSync(join(home.path, "control/qmtproutes"));
  expect(Buffer.concat(received).toString()).toBe("18:\nSubject: s\n\nbody\n,3:a@b,15:11:j@h.example,,");
});

test("a message that is too short to be one, and one without end of line", async () => {
  using host = await SmtpHost.start();
  home.write("queue/mess/7/30", "x");
  expect(await deliverOnce("j@h.example", route(host))).toBe(
    "DSMTP cannot transfer messages with partial final lines. (#5.6.2)\n",
  );
  home.write("queue/mess/7/30", "Subject: s\n\nbody\n");
});

test("a qmail-remote that is not ours is run", async () => {
  using host = await SmtpHost.start();
  const env = route(host);
  home.script("qmail-remote", 'printf "r\\0Kmine %s\\n\\0" "$1"');
  expect(await deliverOnce("j@h.example", { PATH: `${home.path}/bin:${env.PATH}:/usr/bin:/bin` })).toBe(
    "Kmine h.example\n",
  );
  rmSync(join(home.path, "bin/qmail-remote"));
  expect(host.connections).toBe(0);
});

/** A port whose queue of connections is full, and nobody takes any from it. */
async function fullListener(): Promise<{ port: number; end: () => void }> {
  const script =
    'require("net").createServer().listen({port:0,host:"127.0.0.1",backlog:1},function(){console.log(this.address().port)})';
  const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const { value } = await child.stdout.getReader().read();
  const port = Number(Buffer.from(value ?? []).toString());
  child.kill("SIGSTOP");
  const connections: Socket[] = [];
  for (let taken = true; taken; ) {
    const socket = connect({ port, host: "127.0.0.1" });
    connections.push(socket);
    taken = await Promise.race([
      new Promise<boolean>((resolve) => socket.on("connect", () => resolve(true))),
      Bun.sleep(300).then(() => false),
    ]);
  }
  const end = () => {
    for (const socket of connections) socket.destroy();
    child.kill("SIGKILL");
  };
  return { port, end };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}
