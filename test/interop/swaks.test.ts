/** swaks as the client of qmail-smtpd. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { type Home, makeHome, type Running, startHome } from "../scenarios/home.ts";
import { arrived, asSent, needing, type Server, serve, succeed, ways } from "./tools.ts";

setDefaultTimeout(900_000);

const head = "From: <bob@test.example>\nTo: <ann@mail.example>\nSubject: by swaks\n\n";

/** 5 MB of lines of any length and any bytes but NUL, CR, LF, and those that swaks replaces. */
function large(): string {
  const bytes = Buffer.alloc(5_000_000);
  for (let at = 0, seed = 1; at < bytes.length; at++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const byte = (seed >>> 16) & 255;
    bytes[at] = byte === 0 || byte === 13 || byte === 37 || byte === 92 ? 46 : byte;
  }
  return `${head}${bytes.toString("latin1")}\n`;
}

const fifty = Array.from({ length: 50 }, (_, index) => `ann-${index + 1}@mail.example`);
const messages: readonly (readonly [kind: string, text: string, recipients: string[]])[] = [
  ["a plain message", `${head}Hello.\n.\n..two dots\n\nend\n`, ["ann@mail.example"]],
  ["8-bit bytes", `${head}\xe4\xf6\xfc \xff\x01\x80 \xc3\xa4\n`, ["ann@mail.example"]],
  ["5 MB", large(), ["ann@mail.example"]],
  ["50 recipients", `${head}To all of you.\n`, fifty],
];

const needs = needing("swaks into qmail-smtpd", "swaks", "tcpserver");
describe.skipIf(needs.skip)(needs.name, () => {
  let home: Home;
  let system: Running;
  const servers = new Map<string, Server>();
  beforeAll(async () => {
    home = await makeHome({ users: ["ann"] });
    writeFileSync(home.at("mail/ann/.qmail-default"), "./Maildir/\n");
    system = await startHome(home);
    for (const way of ways) servers.set(way, await serve(home, way, "qmail-smtpd"));
  });
  afterAll(async () => {
    for (const server of servers.values()) await server.stop();
    await system?.stop();
    home?.dispose();
  });

  for (const way of ways)
    for (const [kind, text, recipients] of messages)
      test(`${way}: ${kind} arrives intact, once`, async () => {
        for (const path of home.maildir("ann")) rmSync(path);
        const file = home.at("message");
        // swaks ends the last line itself.
        writeFileSync(file, Buffer.from(text.slice(0, -1), "latin1"));
        const server = ["--server", "127.0.0.1", "--port", String(servers.get(way)?.port)];
        const envelope = ["--from", "bob@test.example", "--to", recipients.join(",")];
        await succeed(["swaks", "--silent", "2", ...server, ...envelope, "--data", `@${file}`]);
        const got = await arrived(home, "ann", recipients.length);
        const to = got.map((message) => /^Delivered-To: (.*)$/m.exec(message)?.[1] ?? "");
        expect(to.sort()).toEqual([...recipients].sort());
        for (const message of got) expect(asSent(message) === text).toBe(true);
      });
});
