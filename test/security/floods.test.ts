/** Who makes the mail system wait, or wears it out. Needs root, namespaces, gcc, useradd and python3. */
import { beforeAll, describe, expect, test } from "bun:test";
import { type Floods, observed } from "./floods.ts";
import { needs, possible } from "./machine.ts";

describe.skipIf(!possible())(`floods (${needs})`, () => {
  let seen: Floods;
  beforeAll(async () => {
    seen = await observed();
  });

  test("who stops the process that delivers his mail stops nobody else's", () => {
    expect(seen.stopped).toEqual({ underWay: 90, ann: true });
    expect(seen.killed).toContain("deferral: qmail-local_crashed./");
  });
  test("no process is a user before it is a program, so that nobody can stop it while qmail-lspawn waits", () => {
    expect(seen.early).toEqual({ wrong: [], became: expect.any(Number) });
    expect(seen.early.became).toBeGreaterThan(0);
  });
  test("a trigger that is pulled all the time hinders no delivery", () => {
    expect(seen.triggers).toBeGreaterThan(262_144);
  });
  test("queue programs that stay count against who started them, and leave nothing", () => {
    expect(seen.residents).toMatchObject({ stoppedBy: "EAGAIN", meanwhile: true, left: [] });
    expect(seen.residents.started).toBeWithin(1, 300);
  });
  test("a Maildir full of traps gives POP3 nothing that its user could not read", () => {
    const [stat, ...rest] = seen.pop3.hostile;
    expect(stat).toStartWith("+OK 7 ");
    // /etc/shadow; a FIFO; a file without rights; a message.
    const unable = "-ERR unable to open that message";
    expect(rest).toEqual([
      unable,
      "+OK ",
      "",
      ".",
      unable,
      "+OK ",
      "Subject: x",
      "",
      "..",
      "",
      ".",
      "+OK ",
      "",
    ]);
  });
  test("and keeps no other session waiting", () => expect(seen.pop3.other).toMatch(/^\+OK \d+ \d+$/));
});
