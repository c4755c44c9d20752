/**
 * One large message, in by SMTP and out by SMTP: from a client into one home, from there into another one, to a Maildir.
 * No process may need more than 100 MB for it.
 *
 *   bun test/interop/large-smtp.ts [--megabytes 200]
 */
import { createHash } from "node:crypto";
import { appendFileSync, closeSync, createReadStream, openSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { Group } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { type Home, makeHome, until } from "../scenarios/home.ts";
import { aboveLimit, note, type Passage } from "../scenarios/large.ts";
import { freePort } from "./tools.ts";

/** What became of it; `intact`: every byte arrived. */
export interface SmtpPassage extends Passage {
  intact: boolean;
}

const line = "Letters went through slots no wider than a hand, one at a time.";
/** A piece of the body, as it is sent and as it is delivered. */
const piece = Buffer.from(`${line}\r\n`.repeat(1000));
const stored = Buffer.from(`${line}\n`.repeat(1000));

/** The commands and the message, as a client sends them that does not wait for replies. */
function* session(pieces: number): Generator<Buffer> {
  yield Buffer.from("EHLO client\r\nMAIL FROM:<ann@a.example>\r\nRCPT TO:<joe@b.example>\r\nDATA\r\n");
  yield Buffer.from("Subject: large\r\n\r\n");
  for (let count = 0; count < pieces; count++) yield piece;
  yield Buffer.from(".\r\nQUIT\r\n");
}

/** Gives the message to a server; its last replies. */
async function send(port: number, pieces: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  let replies = "";
  socket.on("data", (bytes) => {
    replies += bytes.toString("latin1");
  });
  const ended = new Promise((resolve) => socket.on("close", resolve));
  await pipeline(Readable.from(session(pieces)), socket);
  await ended;
  return replies;
}

/** The digest of the last `bytes` of a file. */
async function digestOfEnd(path: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path, { start: statSync(path).size - bytes })) hash.update(part);
  return hash.digest("hex");
}

function digestOfBody(pieces: number): string {
  const hash = createHash("sha256");
  for (let count = 0; count < pieces; count++) hash.update(stored);
  return hash.digest("hex");
}

/** The mail system of a home, and qmail-smtpd; each a process group, whose log is a file in the home. */
async function start(home: Home): Promise<{ groups: Group[]; port: number }> {
  const port = await freePort();
  const log = openSync(home.at("log"), "a");
  const environment = { QMAILHOME: home.path, PATH: "/usr/bin:/bin" };
  const server = [home.at("bin/qmail-smtpd"), "--listen", `127.0.0.1:${port}`];
  const groups = [[home.at("rc")], server].map((command) => new Group(command, environment, log));
  closeSync(log);
  let open = false;
  await until("qmail-smtpd", () => {
    const probe = connect({ port, host: "127.0.0.1" });
    probe.on("connect", () => {
      open = true;
      probe.end("QUIT\r\n");
    });
    probe.on("error", () => probe.destroy());
    return open;
  });
  return { groups, port };
}

/** Sends a message of that size through two homes. */
export async function largeBySmtp(megabytes: number): Promise<SmtpPassage> {
  const begin = Date.now();
  const pieces = Math.ceil((megabytes * 2 ** 20) / stored.length);
  const [first, second] = [
    await makeHome({ host: "a.example" }),
    await makeHome({ host: "b.example", users: ["joe"] }),
  ];
  const groups: Group[] = [];
  const peaks: Record<string, number> = {};
  const look = setInterval(() => {
    for (const group of groups) for (const pid of group.processes()) note(pid, peaks);
  }, 20);
  try {
    const [into, out] = [await start(first), await start(second)];
    groups.push(...into.groups, ...out.groups);
    writeFileSync(first.at("control/smtproutes"), `b.example:127.0.0.1:${out.port}\n`);
    appendFileSync(first.at("control/rcpthosts"), "b.example\n");
    const replies = await send(into.port, pieces);
    if (!/^250 ok \d+ qp \d+\r\n221 /m.test(replies)) throw new Error(`it was not accepted:\n${replies}`);
    const queues = () => [...first.queued(), ...second.queued()];
    await until("the delivery", () => second.maildir("joe").length > 0, patience + megabytes);
    await until("empty queues", () => queues().length === 0);
    const found = second.maildir("joe");
    const [path = ""] = found;
    return {
      delivered: statSync(path).size,
      intact:
        found.length === 1 && (await digestOfEnd(path, pieces * stored.length)) === digestOfBody(pieces),
      peaks,
      seconds: (Date.now() - begin) / 1000,
    };
  } finally {
    clearInterval(look);
    for (const group of groups) await group.kill();
    for (const home of [first, second]) home.dispose();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { megabytes: { type: "string", default: "200" } } });
  const passage = await largeBySmtp(Number(values.megabytes));
  const state = passage.intact ? "intact" : "damaged";
  console.log(`delivered ${passage.delivered} bytes, ${state}, in ${passage.seconds.toFixed(1)} s`);
  for (const [name, peak] of Object.entries(passage.peaks).sort()) console.log(`${name} ${peak} kB`);
  process.exitCode = passage.intact && aboveLimit(passage).length === 0 ? 0 : 1;
}
