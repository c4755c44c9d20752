/** qmail-remote where the recorded cases do not reach: IPv6, ESMTP, names by another cache, and bad conditions. */
import { expect, test } from "bun:test";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { startNameServer } from "../conformance/dns.ts";
import { bin, run, Scratch } from "../helpers/built.ts";
import { type Manners, SmtpHost } from "../helpers/smtp-host.ts";

/** A home that sends mail to its route. */
class Home extends Scratch {
  readonly env: Record<string, string>;
  constructor(route: string) {
    super();
    this.write("control/me", "me.example\n");
    this.write("control/smtproutes", `:${route}\n`);
    this.write("queue/lock/tcpto", Buffer.alloc(1024));
    this.env = { QMAILHOME: this.path };
  }
  send(args: readonly string[] = ["d", "a@b", "c@d"], message = "Subject: x\n\nbody\n", env = {}) {
    return run("qmail-remote", {
      args,
      stdin: { file: this.write("message", message) },
      env: { ...this.env, ...env },
    });
  }
}

async function sendTo(manners: Manners, args?: readonly string[]) {
  using host = await SmtpHost.start(manners);
  using home = new Home(`127.0.0.1:${host.port}`);
  const { code, stdout, stderr } = await home.send(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return { report: stdout, lines: host.lines };
}

const kept = "r\0K127.0.0.1 accepted message.\nRemote host said: 250 kept\n\0";
const dropped = "ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n\0";

test("EHLO and PIPELINING where the greeting speaks of ESMTP", async () => {
  const { report, lines } = await sendTo({
    greeting: "220 mx ESMTP ready\r\n",
    answer: (line) => (line.startsWith("EHLO") ? "250-mx\r\n250 PIPELINING\r\n" : undefined),
  });
  expect(report).toBe(kept);
  expect(lines.slice(0, 4)).toEqual(["EHLO me.example", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"]);
});

test("accepted is accepted, even if QUIT meets a closed connection", async () => {
  const { report } = await sendTo({
    received: (socket) => socket.write("250 kept\r\n", () => socket.resetAndDestroy()),
  });
  expect(report).toBe(kept);
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

test.skipIf(!hasIpv6)("a route to an IPv6 address (skipped without ::1)", async () => {
  using host = await SmtpHost.start({ address: "::1" });
  using home = new Home(`[::1]:${host.port}`);
  expect((await home.send()).stdout).toBe("r\0K::1 accepted message.\nRemote host said: 250 kept\n\0");
});

test.skipIf(!hasIpv6)(
  "a relay whose IPv4 address refuses is reached by IPv6 (skipped without ::1)",
  async () => {
    using host = await SmtpHost.start({ address: "::1" });
    using home = new Home(`relay.dom:${host.port}`);
    const names = await startNameServer(
      { zone: { "relay.dom": { A: ["127.0.0.77"], AAAA: ["::1"] } }, servfail: [] },
      0,
    );
    const { stdout } = await home.send(undefined, undefined, { DNSCACHEIP: `127.0.0.1:${names.port}` });
    names.end();
    expect(stdout).toStartWith("r\0K::1 accepted");
  },
);

const unknown = "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0";
const addresses = Array.from({ length: 200 }, (_, index) => `127.3.0.${index}`);
const zone = {
  "relay.dom": { A: ["127.0.0.1"] },
  "alias.dom": { CNAME: "relay.dom" },
  "many.dom": { A: ["127.0.0.1", ...addresses] },
};
for (const [route, report] of [
  ["relay.dom", kept],
  ["alias.dom", kept],
  ["many.dom", kept],
  ["none.dom", "DSorry, I couldn't find any host named none.dom. (#5.1.2)\n\0"],
  ["fail.dom", unknown],
] as const)
  test(`a relay by name: ${route}`, async () => {
    using host = await SmtpHost.start();
    using home = new Home(`${route}:${host.port}`);
    const names = await startNameServer({ zone, servfail: ["fail.dom"] }, 0);
    const cache = `127.0.0.1:${names.port}`;
    const { stdout } = await home.send(undefined, undefined, { DNSCACHEIP: cache });
    const second = await home.send(undefined, undefined, { DNSCACHEIP: `127.0.0.1:1 ${cache}` });
    names.end();
    expect([stdout, second.stdout]).toEqual([report, report]);
  });

test("no cache answers", async () => {
  using home = new Home("relay.dom");
  expect((await home.send(undefined, undefined, { DNSCACHEIP: "127.0.0.1:1" })).stdout).toBe(unknown);
});

test("a host that can not be written in DNS does not exist", async () => {
  using home = new Home("");
  const { stdout } = await home.send(["a..b", "a@b", "c@a..b"]);
  expect(stdout).toBe("DSorry, I couldn't find any host named a..b. (#5.1.2)\n\0");
});

test("a server that says one byte at a time is understood, one that falls silent is given up", async () => {
  const slow = await sendTo({
    received: async (socket) => {
      for (const byte of "250 kept\r\n") {
        socket.write(byte);
        await Bun.sleep(2);
      }
    },
  });
  expect(slow.report).toBe(kept);
  using host = await SmtpHost.start({ answer: () => "" });
  using home = new Home(`127.0.0.1:${host.port}`);
  home.write("control/timeoutremote", "1\n");
  expect((await home.send()).stdout).toBe(dropped);
});

test("a server that takes no more of the message is given up, and has not got all of it", async () => {
  using host = await SmtpHost.start({ stopsReading: true });
  using home = new Home(`127.0.0.1:${host.port}`);
  home.write("control/timeoutremote", "1\n");
  const { stdout } = await home.send(undefined, `${"x".repeat(99)}\n`.repeat(200_000));
  expect(stdout).toBe(`r\0${dropped}`);
});

test("50 MB go out in constant memory", async () => {
  using host = await SmtpHost.start();
  using home = new Home(`127.0.0.1:${host.port}`);
  const file = openSync(home.in("large"), "w");
  for (let block = 0; block < 50; block++) writeSync(file, `${"x".repeat(99)}\n`.repeat(10000));
  closeSync(file);
  const { stdout, memory } = await run("qmail-remote", {
    args: ["d", "a@b", "c@d"],
    stdin: { file: home.in("large") },
    env: home.env,
  });
  expect(stdout).toBe(kept);
  expect(host.size).toBe(50 * 10000 * 101 + 3);
  expect(memory).toBeLessThan(100e6);
}, 30000);

test("nobody to report to, or no message: no trouble of its own", async () => {
  using host = await SmtpHost.start();
  using home = new Home(`127.0.0.1:${host.port}`);
  const shell = async (redirect: string) => {
    const command = ["/bin/sh", "-c", `'${join(bin, "qmail-remote")}' d a@b c@d ${redirect}`];
    const child = Bun.spawn(command, { env: home.env, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return { code: child.exitCode, stdout };
  };
  expect(await shell(">&-")).toEqual({ code: 0, stdout: "" });
  expect(await shell(">/dev/full")).toEqual({ code: 0, stdout: "" });
  const noMessage = await shell("<&-");
  expect(noMessage.code).toBe(0);
  expect(noMessage.stdout).toMatch(/^r\0(ZUnable to read message|K)/);
});

test("a table of time-outs of another size, or none, is no trouble", async () => {
  using host = await SmtpHost.start();
  using home = new Home(`127.0.0.1:${host.port}`);
  for (const size of [0, 7, 33, 5000]) {
    const table = openSync(home.in("queue/lock/tcpto"), "w");
    ftruncateSync(table, size);
    closeSync(table);
    expect((await home.send()).stdout).toBe(kept);
    expect(readFileSync(home.in("queue/lock/tcpto")).length).toBe(size);
  }
});

test("a QMTP route goes to qmail-qmtpd, an empty one leads back to SMTP", async () => {
  using host = await SmtpHost.start();
  using home = new Home(`127.0.0.1:${host.port}`);
  home.write("control/rcpthosts", "d\n");
  const env = { QMAILHOME: home.path, QMAILQUEUE: home.queueProgram() };
  const server = createServer((socket) => {
    const child = Bun.spawn([join(bin, "qmail-qmtpd")], { stdio: ["pipe", "pipe", "inherit"], env });
    socket.on("data", (data: Buffer) => {
      child.stdin.write(data);
      child.stdin.flush();
    });
    socket.on("close", () => child.stdin.end());
    child.stdout.pipeTo(new WritableStream({ write: (piece) => void socket.write(piece) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  home.write("control/qmtproutes", `d:127.0.0.1:${port}\ne:\n`);
  const message = `Subject: x\n\n${"long\n".repeat(400_000)}no end`;
  const { stdout } = await home.send(["d", "a@b", "c@d", "x@other"], message);
  server.close();
  expect(stdout).toStartWith("r\0h127.0.0.1 does not like recipient.\nRemote host said: ");
  expect(stdout).toContain("\0K127.0.0.1 accepted message.\nRemote host said: ok ");
  expect(home.read("queued-message")).toEndWith(`\n${message}`);
  expect(home.read("queued-envelope")).toBe("Fa@b\0Tc@d\0\0");
  expect((await home.send(["e", "a@b", "c@e"])).stdout).toBe(kept);
});
