/** Deliveries in one process: many at once, and questions shared. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { ResidentRemote } from "../../../src/core/net/resident-remote.ts";
import { lockExclusive } from "../../../src/core/sys/lock.ts";
import { startNameServer } from "../../conformance/dns.ts";
import { Scratch } from "../../helpers/built.ts";
import { SmtpHost } from "../../helpers/smtp-host.ts";

const scratch = new Scratch();
const inherited = { QMAILHOME: process.env.QMAILHOME, DNSCACHEIP: process.env.DNSCACHEIP };
beforeAll(() => {
  process.env.QMAILHOME = scratch.path;
  scratch.write("control/me", "me.example\n");
  scratch.write("queue/lock/tcpto", Buffer.alloc(1024));
});
afterAll(() => {
  for (const [name, value] of Object.entries(inherited)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  scratch[Symbol.dispose]();
});

const kept = "r\0K127.0.0.1 accepted message.\nRemote host said: 250 kept\n\0";

/** Delivers the message for `recipient` at `host`. */
async function deliver(remote: ResidentRemote, host: string, recipient = `j@${host}`): Promise<string> {
  const message = openSync(scratch.in("message"), "r");
  try {
    const words = { host: Buffer.from(host), sender: Buffer.from("a@b"), recipient: Buffer.from(recipient) };
    return (await remote.deliver({ message, ...words })).toString("latin1");
  } finally {
    closeSync(message);
  }
}

test("a thousand deliveries at once, each with a connection of its own", async () => {
  const waiting: (() => void)[] = [];
  using host = await SmtpHost.start({
    received: (socket) => {
      waiting.push(() => socket.write("250 kept\r\n"));
      if (waiting.length === 1000) for (const answer of waiting) answer();
    },
  });
  scratch.write("control/smtproutes", `:127.0.0.1:${host.port}\n`);
  scratch.write("message", "Subject: s\n\nbody\n");
  const remote = new ResidentRemote();
  const reports = await Promise.all(Array.from({ length: 1000 }, () => deliver(remote, "h.example")));
  expect(new Set(reports)).toEqual(new Set([kept]));
  expect(host.connections).toBe(1000);
  // No more than a hundred connections wait for more.
  while (host.open > 100) await Bun.sleep(5);
  expect(host.open).toBeGreaterThan(0);
  remote.end();
  while (host.open > 0) await Bun.sleep(5);
  expect(host.lines.filter((line) => line === "QUIT").length).toBe(1000);
});

test("names are asked for once where many deliveries want them at the same moment", async () => {
  using host = await SmtpHost.start();
  const zone = { "relay.dom": { A: ["127.0.0.1"] } };
  const names = await startNameServer({ zone, servfail: [] }, 0);
  process.env.DNSCACHEIP = `127.0.0.1:${names.port}`;
  scratch.write("control/smtproutes", `:relay.dom:${host.port}\nlost.dom:nowhere.dom\n`);
  const remote = new ResidentRemote();
  const reports = await Promise.all([
    ...Array.from({ length: 50 }, () => deliver(remote, "h.example")),
    deliver(remote, "lost.dom"),
  ]);
  expect(reports.pop()).toBe("DSorry, I couldn't find any host named nowhere.dom. (#5.1.2)\n\0");
  expect(new Set(reports)).toEqual(new Set([kept]));
  remote.end();
  names.end();
});

test("the table of time-outs may be locked: deliveries wait for it, and the process does not", async () => {
  using host = await SmtpHost.start();
  scratch.write("control/smtproutes", `:127.0.0.1:${host.port}\n`);
  const table = openSync(scratch.in("queue/lock/tcpto"), "r+");
  lockExclusive(table);
  const remote = new ResidentRemote();
  let done = false;
  const report = deliver(remote, "h.example").finally(() => {
    done = true;
  });
  await Bun.sleep(100);
  expect([done, host.connections]).toEqual([false, 0]);
  closeSync(table);
  expect(await report).toBe(kept);
  remote.end();
});
