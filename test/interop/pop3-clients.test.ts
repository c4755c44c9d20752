/** fetchmail and mpop as the clients of qmail-popup, checkpassword and qmail-pop3d. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { type Home, makeHome, type Running, run, startHome, until } from "../scenarios/home.ts";
import { arrived, listen, needing, OpenDirectory, type Server } from "./tools.ts";

setDefaultTimeout(900_000);

const bodies = [
  "Hello.\n",
  ".\n..\n.two\n\n\nend\n",
  "\xe4\xf6\xfc \xff\n",
  `${"x".repeat(990)}\n`.repeat(300),
  "",
];
const password = "very secret";

/** What the client gets of these messages: qmail-pop3d puts an empty line behind each, like the original. */
const received = (messages: readonly string[]) => messages.map((message) => `${message}\n`).sort();

/** What a client is to do, in its own words. */
interface Client {
  program: "fetchmail" | "mpop";
  /** Writes its settings; returns the command. */
  command: (directory: string, port: number, keep: boolean) => string[];
}

const clients: readonly Client[] = [
  {
    program: "fetchmail",
    command: (directory, port, keep) => {
      const store = `${directory}/store`;
      writeFileSync(store, `#!/bin/sh\ncat >"$(mktemp ${directory}/new/XXXXXXXX)"\n`, { mode: 0o755 });
      const poll = `poll 127.0.0.1 protocol POP3 port ${port} uidl no dns no envelope`;
      const user = `user ann password "${password}" sslproto "" mda "${store}"`;
      const options = `no rewrite pass8bits ${keep ? "keep" : "no keep"} fetchlimit 0`;
      writeFileSync(`${directory}/rc`, `set invisible\n${poll}\n${user}\n${options}\n`, { mode: 0o600 });
      const files = ["--fetchmailrc", `${directory}/rc`, "--idfile", `${directory}/ids`];
      return ["fetchmail", ...files, "--pidfile", `${directory}/pid`, "--nodetach", "--nosyslog"];
    },
  },
  {
    program: "mpop",
    command: (directory, port, keep) => {
      const server = `account default\nhost 127.0.0.1\nport ${port}\ntls off\nauth user\n`;
      const user = `user ann\npassword ${password}\nkeep ${keep ? "on" : "off"}\nuidls_file ${directory}/uidls\n`;
      const delivery = `received_header off\ndelivery maildir ${directory}\n`;
      writeFileSync(`${directory}/rc`, server + user + delivery, { mode: 0o600 });
      return ["mpop", "--file", `${directory}/rc`, "--quiet"];
    },
  },
];

const needs = needing("POP3 clients", ...clients.map(({ program }) => program));
describe.skipIf(needs.skip)(needs.name, () => {
  let home: Home;
  let system: Running;
  let server: Server;
  beforeAll(async () => {
    home = await makeHome({ users: ["ann"] });
    const set = await home.run("qmail", ["user", "passwd", "ann"], { stdin: `${password}\n` });
    if (set.code !== 0) throw new Error(set.stderr);
    system = await startHome(home);
    const subprogram = [home.at("bin/checkpassword"), home.at("bin/qmail-pop3d"), "Maildir"];
    server = await listen(home, "qmail-popup", "127.0.0.1:0", "pop.example", ...subprogram);
  });
  afterAll(async () => {
    await server?.stop();
    await system?.stop();
    home?.dispose();
  });

  /** What ann has, once it is older than this second: qmail-pop3d leaves out what may still get company. */
  async function there(count: number): Promise<string[]> {
    const messages = await arrived(home, "ann", count);
    const second = Math.floor(Date.now() / 1000);
    await until("the next second", () => Math.floor(Date.now() / 1000) > second);
    return messages;
  }

  async function send(all: readonly string[]): Promise<void> {
    for (const [index, body] of all.entries()) {
      const message = `From: bob@mail.example\nTo: ann@mail.example\nSubject: ${index}\n\n${body}`;
      const sent = await home.inject(Buffer.from(message, "latin1"), ["-fbob@mail.example", "ann"]);
      if (sent.code !== 0) throw new Error(sent.stderr);
    }
  }

  for (const { program, command } of clients) {
    async function fetch(directory: OpenDirectory, keep: boolean, codes: readonly number[] = [0]) {
      const words = command(directory.path, server.port, keep);
      const { code, stdout, stderr } = await run(words, { environment: { HOME: directory.path } });
      if (!codes.includes(code))
        throw new Error(`${program}: exit ${code}\n${stdout}${stderr}\n${server.log}`);
      return directory.texts("new");
    }
    function place(): OpenDirectory {
      const directory = new OpenDirectory();
      chmodSync(directory.path, 0o700);
      for (const part of ["new", "cur", "tmp"]) mkdirSync(`${directory.path}/${part}`);
      return directory;
    }
    /** fetchmail's exit code if there is no mail. */
    const nothing = [0, 1];

    test(`${program} leaves the mail with keep, does not fetch it again, fetches what is new, and deletes`, async () => {
      using directory = place();
      await send(bodies);
      const old = await there(bodies.length);
      expect((await fetch(directory, true)).sort()).toEqual(received(old));
      expect(home.maildir("ann").length).toBe(bodies.length);
      expect((await fetch(directory, true, nothing)).length).toBe(bodies.length);
      await send(["something new\n"]);
      const more = await there(bodies.length + 1);
      expect((await fetch(directory, true)).sort()).toEqual(received(more));
      // A client that has never been here takes everything with it.
      using other = place();
      expect((await fetch(other, false)).sort()).toEqual(received(more));
      expect(home.maildir("ann")).toEqual([]);
      expect((await fetch(other, false, nothing)).length).toBe(more.length);
    });

    test(`${program} hears that the password is wrong, and gets nothing`, async () => {
      using directory = place();
      const words = command(directory.path, server.port, false);
      const rc = `${directory.path}/rc`;
      writeFileSync(rc, (await Bun.file(rc).text()).replace(password, "guess"), { mode: 0o600 });
      await send(["stays\n"]);
      const old = await there(1);
      const { code, stdout, stderr } = await run(words, { environment: { HOME: directory.path } });
      expect(code).not.toBe(0);
      expect(`${stdout}${stderr}`).toMatch(/authorization failed|Authorization failure/i);
      expect(directory.texts("new")).toEqual([]);
      expect(home.messages("ann")).toEqual(old);
      for (const path of home.maildir("ann")) await Bun.file(path).delete();
    });
  }
});
