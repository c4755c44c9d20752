/** Servers that stay, and what they find out about their clients: block lists, names, ident, patience. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { remoteUser } from "../../src/core/net/ident.ts";
import { connectLine } from "../../src/core/sys/network-line.ts";
import { type NameServer, startNameServer } from "../conformance/dns.ts";
import { run } from "../helpers/built.ts";
import { Resident, session } from "../helpers/resident.ts";
import { Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

const rcpt = Buffer.from("MAIL FROM:<a@b>\r\nRCPT TO:<c@far>\r\nRCPT TO:<c@d>\r\nDATA\r\nQUIT\r\n");
const replies = (text: string): string => text.replace(/^(\d{3}) .*\r\n/gm, "$1 ").trim();

/** A name server as a resource of a test. */
async function nameServer(zone: Parameters<typeof startNameServer>[0]): Promise<NameServer & Disposable> {
  const server = await startNameServer(zone, 0);
  return { ...server, [Symbol.dispose]: server.end };
}

/** One that never answers; `asked` is done with the first question. */
async function silentNameServer(): Promise<{ port: number; asked: Promise<void> } & Disposable> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const asked = new Promise<void>((resolve) => socket.once("message", () => resolve()));
  return { port: socket.address().port, asked, [Symbol.dispose]: () => socket.close() };
}

const listed = {
  zone: {
    "1.0.0.127.bl.test": { A: ["127.0.0.2"], TXT: "listed here" },
    "1.0.0.127.wl.test": { A: ["127.0.0.2"] },
  },
};

for (const [lists, variables, expected] of [
  ["bl.test\n", {}, "220 250 553 451 503 221"],
  ["-bl.test\n", {}, "220 250 553 553 503 221"],
  ["# none\n", {}, "220 250 553 250 354"],
  ["+wl.test\nbl.test\n", {}, "220 250 553 250 354"],
  ["bl.test\n", { RBLSMTPD: "" }, "220 250 553 250 354"],
  ["", { RBLSMTPD: "-no" }, "220 250 553 553 503 221"],
  [undefined, { RBLSMTPD: "-no" }, "220 250 553 250 354"],
  ["bl.test\n", { RELAYCLIENT: "" }, "220 250 250 250 354"],
] as const)
  test(`dnsbl ${JSON.stringify(lists)}, ${JSON.stringify(variables)}: ${expected}`, async () => {
    using names = await nameServer(listed);
    using home = new Resident();
    home.env.DNSCACHEIP = `127.0.0.1:${names.port}`;
    if (lists !== undefined) home.write("control/dnsbl", lists);
    const env = { ...home.env, TCPREMOTEIP: "127.0.0.1", ...variables };
    expect(replies((await run("qmail-smtpd", { stdin: rcpt, env })).stdout)).toBe(expected);
    await home.start("--rules", home.rules(variables));
    expect(replies(await session(home.port, rcpt))).toBe(expected);
  });

test("the words of the list reach the client at each recipient, and the list is asked once", async () => {
  using names = await nameServer(listed);
  using home = new Resident();
  home.env.DNSCACHEIP = `127.0.0.1:${names.port}`;
  home.write("control/dnsbl", "-bl.test\n");
  home.write("control/smtpextensions", "ENHANCEDSTATUSCODES\n");
  await home.start();
  const text = await session(
    home.port,
    Buffer.from(`MAIL FROM:<>\r\n${"RCPT TO:<c@d>\r\n".repeat(3)}QUIT\r\n`),
  );
  expect(text.match(/^553 5\.7\.1 listed here\r\n/gm)).toHaveLength(3);
});

test("where no DNS is, nobody is kept out", async () => {
  using home = new Resident();
  home.env.DNSCACHEIP = "127.0.0.1:1";
  home.write("control/dnsbl", "bl.test\n");
  await home.start();
  expect(replies(await session(home.port, rcpt))).toBe("220 250 553 250 354");
});

test("while one client waits for the DNS, the others do not", async () => {
  using dead = await silentNameServer();
  using home = new Resident();
  home.env.DNSCACHEIP = `127.0.0.1:${dead.port}`;
  home.write("control/dnsbl", "bl.test\n");
  await home.start();
  const waiting = new Talk(home.port);
  waiting.socket.write("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n");
  await dead.asked;
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toBe("220 mx ESMTP\r\n221 mx\r\n");
  expect(replies(waiting.text)).not.toContain("221");
  waiting.socket.destroy();
});

test("a client that speaks before it is greeted is sent away; a patient one is served", async () => {
  using home = new Resident();
  await home.start("--greet-delay", "1");
  expect(await session(home.port, rcpt)).toBe("554 you spoke before you were greeted (#5.5.1)\r\n");
  const patient = new Talk(home.port);
  await patient.hears("220 mx ESMTP\r\n");
  patient.socket.write("QUIT\r\n");
  await patient.ended;
  expect(patient.text).toBe("220 mx ESMTP\r\n221 mx\r\n");
  patient.socket.destroy();
  const gone = new Talk(home.port);
  gone.socket.end();
  await gone.ended;
  expect(gone.text).toBe("");
  gone.socket.destroy();
  expect(home.log).not.toContain("warning");
});

for (const variables of [{ RELAYCLIENT: "" }, { GREETDELAY: "0" }] as const)
  test(`with ${JSON.stringify(variables)} nobody waits`, async () => {
    using home = new Resident();
    await home.start("--greet-delay", "999", "--rules", home.rules(variables));
    expect(await session(home.port, Buffer.from("QUIT\r\n"))).toBe("220 mx ESMTP\r\n221 mx\r\n");
  });

test("a delay longer than timers count is a delay all the same", async () => {
  using home = new Resident();
  await home.start("--rules", home.rules({ GREETDELAY: "99999999999" }));
  const talk = new Talk(home.port);
  await new Promise((resolve) => talk.socket.once("connect", resolve));
  await Bun.sleep(200);
  expect(talk.text).toBe("");
  talk.socket.write("x");
  await talk.ended;
  expect(talk.text).toBe("554 you spoke before you were greeted (#5.5.1)\r\n");
  talk.socket.destroy();
});

test("a server that ends keeps nobody waiting for a greeting", async () => {
  using home = new Resident();
  await home.start("--greet-delay", "999");
  const talk = new Talk(home.port);
  await new Promise((resolve) => talk.socket.once("connect", resolve));
  await Bun.sleep(100);
  expect(await home.stop()).toBe(0);
  await talk.ended;
  expect(talk.text).toBe("220 mx ESMTP\r\n421 shutting down (#4.3.2)\r\n");
});

test("a greeting delay is for servers that speak first", async () => {
  using home = new Resident();
  const args = ["--listen", "127.0.0.1:0", "--greet-delay", "5"];
  expect(await run("qmail-qmtpd", { args, env: home.env })).toMatchObject({
    code: 100,
    stderr: expect.stringContaining("--greet-delay"),
  });
});

for (const [pointer, forward, host, served] of [
  ["Mail.Client.Test", "127.0.0.1", "mail.client.test", true],
  ["forged.test", "192.0.2.1", "unknown", false],
  [undefined, undefined, "unknown", false],
] as const)
  test(`reverse DNS: ${pointer ?? "no name"} ${forward ?? ""}`, async () => {
    using names = await nameServer({
      zone: {
        ...(pointer === undefined ? {} : { "1.0.0.127.in-addr.arpa": { PTR: pointer } }),
        ...(forward === undefined ? {} : { [pointer.toLowerCase()]: { A: [forward] } }),
      },
    });
    using home = new Resident();
    home.env.DNSCACHEIP = `127.0.0.1:${names.port}`;
    const rules = home.rules({ RELAYCLIENT: "" }, false, "=.client.test");
    await home.start("--reverse-dns", "5", "--rules", rules);
    const text = await session(home.port, Buffer.from("MAIL FROM:<a@b>\r\nRCPT TO:<c@far>\r\nQUIT\r\n"));
    expect(replies(text)).toBe(served ? "220 250 250 221" : "220 250 553 221");
    await session(home.port, Buffer.from("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"));
    const by = host === "unknown" ? "127\\.0\\.0\\.1" : host;
    expect(home.read("queued-message")).toMatch(
      new RegExp(`^Received: from ${host} \\(127\\.0\\.0\\.1\\)\\n {2}by ${by} with SMTP`),
    );
  });

test("reverse DNS that does not answer is waited for no longer than it was said", async () => {
  using dead = await silentNameServer();
  using home = new Resident();
  home.env.DNSCACHEIP = `127.0.0.1:${dead.port}`;
  await home.start("--reverse-dns", "1", "--ident", "1");
  expect(await session(home.port, Buffer.from("QUIT\r\n"))).toBe("220 mx ESMTP\r\n221 mx\r\n");
});

test("ident over a line that waits for nobody, from the address that the client knows", async () => {
  const server = createServer((socket) => {
    socket.once("data", (question) => {
      const [ports = ""] = question.toString().split("\r\n");
      socket.end(`${ports} : USERID : UNIX : joe of ${socket.remoteAddress?.slice(-9)}\r\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  try {
    // Port 113 is root's: the question goes to where the test may listen.
    const line: typeof connectLine = (kind, address, _, seconds, from) =>
      connectLine(kind, address, port, seconds, from);
    const local = { address: Uint8Array.of(127, 0, 0, 2), port: 25 };
    const remote = { address: Uint8Array.of(127, 0, 0, 1), port: 999 };
    expect(String(await remoteUser(line, local, remote, 5))).toBe("joeof127.0.0.2");
  } finally {
    server.close();
  }
});
