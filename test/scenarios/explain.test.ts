/** `qmail explain` is right: what it says of 200 addresses is what then becomes of a message to each. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Explanation } from "../../src/core/cli/explain/model.ts";
import { type Home, makeHome, run, startHome, until } from "./home.ts";

setDefaultTimeout(900_000);

/** A host that takes every message and remembers for whom. */
class Sink {
  readonly taken: { recipient: string; text: string }[] = [];
  readonly #server: Bun.TCPSocketListener<{ recipient: string; text: string; inData: boolean }>;

  constructor() {
    this.#server = Bun.listen<{ recipient: string; text: string; inData: boolean }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.data = { recipient: "", text: "", inData: false };
          socket.write("220 sink\r\n");
        },
        data: (socket, bytes) => {
          const session = socket.data;
          session.text += bytes.toString("latin1");
          for (let end = this.#ended(session); end >= 0; end = this.#ended(session)) {
            const piece = session.text.slice(0, end);
            session.text = session.text.slice(end);
            socket.write(this.#answer(session, piece));
          }
        },
      },
    });
  }

  get port(): number {
    return this.#server.port;
  }

  stop(): void {
    this.#server.stop(true);
  }

  #ended({ text, inData }: { text: string; inData: boolean }): number {
    const end = inData ? "\r\n.\r\n" : "\r\n";
    const at = text.indexOf(end);
    return at < 0 ? -1 : at + end.length;
  }

  #answer(session: { recipient: string; inData: boolean }, piece: string): string {
    if (session.inData) {
      session.inData = false;
      this.taken.push({ recipient: session.recipient, text: piece });
      return "250 taken\r\n";
    }
    session.inData = /^data/i.test(piece);
    session.recipient = /^RCPT TO:<(.*)>/i.exec(piece)?.[1] ?? session.recipient;
    return session.inData ? "354 go\r\n" : "250 ok\r\n";
  }
}

const sink = new Sink();
const home = await makeHome({ users: ["ann", "joe", "sue", "wil"] });
afterAll(() => {
  sink.stop();
  home.dispose();
});

function write(path: string, text: string, mode = 0o644): void {
  writeFileSync(home.at(path), text);
  chmodSync(home.at(path), mode);
}

/** Everything that decides where mail goes has its part in this configuration. */
async function configure({ path }: Home): Promise<void> {
  write("control/locals", "mail.example\nsecond.example\nhack.example\n");
  write("control/percenthack", "hack.example\n");
  write("control/envnoathost", "second.example\n");
  write(
    "control/virtualdomains",
    "virt.example:ann-virt\n.wild.example:joe\nexcept.wild.example:\nwhole.example:team\nboss@one.example:ann-a\n",
  );
  write("control/smtproutes", `sink.example:127.0.0.1:${sink.port}\n:127.0.0.1:${sink.port}\n`);
  const { uid, gid } = process.getuid
    ? { uid: process.getuid(), gid: process.getgid?.() ?? 0 }
    : { uid: 0, gid: 0 };
  const ids = `${uid}:${gid}`;
  const lines = `=exact:ann:${ids}:${path}/mail/ann:-:b-exact:\n+list-:joe:${ids}:${path}/mail/joe:-:l-:\n+team:team:${ids}:${path}/mail/team:::\n+team-:team:${ids}:${path}/mail/team:-::\n`;
  write("users/assign", lines + readFileSync(home.at("users/assign"), "latin1"));
  expect((await home.run("qmail-newu")).code).toBe(0);
  mkdirSync(home.at("mail/team"));
  for (const [file, text, mode] of [
    ["ann/.qmail-a", "./Maildir/\n"],
    ["ann/.qmail-b-default", "# comment\n./mbox\n"],
    ["ann/.qmail-virt-default", "&joe\n&far@sink.example\n"],
    ["ann/.qmail-fwd", "ann-a@mail.example\n&help\n/dev/null/no\n"],
    ["ann/.qmail-many", "./Maildir/\n&joe-l-x@mail.example\n&nobody@second.example\n"],
    ["ann/.qmail-loop", "&ann-loop2@mail.example\n"],
    ["ann/.qmail-loop2", "&ann-loop@mail.example\n"],
    ["ann/.qmail-x", "&joe\n./mbox\n", 0o744],
    ["ann/.qmail-list", "+list\n&joe\n&sue\n"],
    ["ann/.qmail-open", "&joe\n", 0o666],
    ["ann/.qmail-blank", "\n&joe\n"],
    ["ann/.qmail-gone", "./Nowhere/\n"],
    ["ann/.qmail-empty", ""],
    ["ann/.qmail-program", "|exit 0\n"],
    ["ann/.qmail-dot:ted", "&x@sink.example\n"],
    ["joe/.qmail-l-default", "./Maildir/\n"],
    ["joe/.qmail-info", "&ann-b-joe\n"],
    ["team/.qmail-default", "&ann\n&joe\n"],
  ] as const)
    write(`mail/${file}`, text, mode ?? 0o644);
  write("alias/.qmail-help", "&joe\n");
  write("alias/.qmail-info-default", "&info@sink.example\n");
  write("alias/.qmail-back-default", "./back/\n");
  expect((await run([home.at("bin/maildirmake"), home.at("alias/back")])).code).toBe(0);
  chmodSync(home.at("mail/sue"), 0o1755);
  chmodSync(home.at("mail/wil"), 0o757);
}

const boxes =
  "ann joe sue wil ann-a Ann-A ann-b ann-b-x ann-b-default ann-fwd ann-many ann-loop ann-x ann-list ann-open ann-blank \
ann-gone ann-empty ann-program ann-dot.ted ann-none joe-none joe-l-1 joe-info exact exact-x list-1 LIST-two help \
info-1 info-a.b nobody team team-x boss info sue-x wil-x alias ann-default postmaster ann%virt.example \
joe%sink.example a%b%mail.example".split(" ");
const hosts =
  "mail.example MAIL.Example second.example hack.example virt.example a.wild.example b.c.Wild.example wild.example \
except.wild.example whole.example one.example sink.example x.sink.example".split(" ");

/** 200 different addresses, the same at every run. */
function addresses(): string[] {
  let seed = 20261124;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return Math.floor((seed / 0x80000000) * below);
  };
  const chosen = new Set<string>(boxes.map((box) => `${box}@mail.example`));
  while (chosen.size < 200) {
    const box = boxes[random(boxes.length)] ?? "";
    const host = hosts[random(hosts.length + 1)];
    chosen.add(host === undefined ? box : `${box}@${host}`);
  }
  return [...chosen];
}

/** Where an explanation says that a message ends. */
function promised(explanation: Explanation, ends = new Set<string>()): Set<string> {
  const { local, remote, recipient, outcome } = explanation;
  if (outcome !== "delivered") ends.add(outcome);
  else if (remote !== undefined) ends.add(`sink ${recipient}`);
  for (const { does, argument, leads, trouble } of local?.lines ?? []) {
    if (trouble !== undefined) continue;
    if (does === "maildir" || does === "mbox") ends.add(`${argument}`);
    if (does === "forward" && outcome === "delivered" && leads !== undefined) promised(leads, ends);
  }
  return ends;
}

const netstring = (text: string): string => `${text.length}:${text},`;

/** The numbers of the messages in a text, which may be an mbox. */
const numbersIn = (text: string): string[] =>
  [...text.matchAll(/^X-Number: (\d+)\r?$/gm)].map((match) => match[1] ?? "");

/** Where each message is now. */
function found(): Map<string, Set<string>> {
  const ends = new Map<string, Set<string>>();
  const add = (text: string, end: string): void => {
    for (const number of numbersIn(text)) ends.set(number, (ends.get(number) ?? new Set()).add(end));
  };
  for (const { recipient, text } of sink.taken) add(text, `sink ${recipient}`);
  for (const entry of readdirSync(home.at("mail"), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || entry.name.startsWith(".qmail")) continue;
    add(readFileSync(path, "latin1"), entry.name === "mbox" ? path : path.replace(/new\/[^/]*$/, ""));
  }
  for (const name of readdirSync(home.at("alias/back/new")))
    add(readFileSync(home.at("alias/back/new", name), "latin1"), "bounced");
  for (const path of home.queued("mess")) add(readFileSync(home.at("queue", path), "latin1"), "deferred");
  return ends;
}

test("200 addresses go where it says", async () => {
  await configure(home);
  const all = addresses();
  const { stdout, stderr } = await home.run("qmail", ["explain", "--json", ...all]);
  expect(stderr).toBe("");
  const explained = stdout
    .trimEnd()
    .split("\n")
    .map((line): Explanation => JSON.parse(line));
  expect(explained.map(({ address }) => address)).toEqual(all);

  const running = await startHome(home);
  try {
    for (const [number, address] of all.entries()) {
      const message = netstring(`X-Number: ${number}\nSubject: to ${address}\n\nhello\n`);
      const request = netstring(message + netstring(`back-${number}@mail.example`) + netstring(address));
      expect((await home.run("qmail-qmqpd", [], { stdin: request })).stdout).toContain("Kok ");
    }
    // Forwards and bounces are messages of their own: it is over when for a while nothing more is logged.
    let quiet = { length: 0, since: Date.now() };
    await until(
      "all deliveries are over",
      () => {
        if (running.log.length !== quiet.length || home.queued("todo").length > 0)
          quiet = { length: running.log.length, since: Date.now() };
        const idle = /status: local 0\/\d+ remote 0\/\d+\n(?:end msg \d+\n|bounce msg .*\n)*$/.test(
          running.log,
        );
        return idle && Date.now() - quiet.since > 1500;
      },
      90_000,
    );
    const ends = found();
    const wrong = explained.flatMap((explanation, number) => {
      const [said, seen] = [promised(explanation), ends.get(String(number)) ?? new Set()].map((set) =>
        [...set].sort(),
      );
      return JSON.stringify(said) === JSON.stringify(seen)
        ? []
        : [{ address: explanation.address, said, seen }];
    });
    expect(wrong).toEqual([]);
    const kinds = new Set([...ends.values()].flatMap((set) => [...set].map((end) => end.replace(/ .*/, ""))));
    const boxes = ["ann/Maildir/", "ann/mbox", "joe/Maildir/", `${home.owner}/Maildir/`];
    expect([...kinds].sort()).toEqual(
      [...boxes.map((box) => home.at("mail", box)), "bounced", "deferred", "sink"].sort(),
    );
  } finally {
    await running.killAll();
  }
});
