/** The API on a real home, in every runtime: what it sends arrives, and its headers are those of qmail-inject(8). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "../../src/api/inject.ts";
import { run as runBuilt, Scratch } from "../helpers/built.ts";
import { PrivateHome, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { isSupported, Project, pack, root, run, runtimes } from "./package.ts";

const scratch = mkdtempSync(join(tmpdir(), "qmail-pack-"));
const files = ["queue.ts", "row.ts"].map((name) => join(root, "test/api/checks", name));
const examples = ["send.ts", "archive.ts"].map((name) => join(root, "examples", name));
let project: Project;
let home: PrivateHome;

beforeAll(() => {
  project = new Project(pack(scratch), [...files, ...examples]);
  const complaints = project.compile({ module: "NodeNext", moduleResolution: "NodeNext", types: ["node"] });
  expect(complaints).toBe("");
  home = new PrivateHome();
  home.start();
}, 900_000);

afterAll(async () => {
  await home.remove();
  for (const path of [scratch, project.path]) rmSync(path, { recursive: true, force: true });
});

for (const runtime of runtimes()) {
  const fits = isSupported(runtime);
  const { command } = runtime;
  const script = (name: string) => join(project.path, "out", name);

  describe.skipIf(!fits)(`${runtime.name}${fits ? "" : ": Node 20 or later is needed"}`, () => {
    test("a message that is sent is delivered, and kept by a program that watches", async () => {
      const archive = join(scratch, `archive-${runtime.name.replaceAll(" ", "-")}`);
      const watcher = Bun.spawn([command, script("archive.js"), home.maildir, archive, "1"], {
        env: { PATH: process.env.PATH ?? "" },
        stdout: "pipe",
      });
      const options = { env: home.environment, input: "Subject: watched\n\nhello\n" };
      expect(run([command, script("send.js"), "a@b.example", "joe"], options)).toMatchObject({
        code: 0,
        stderr: "",
      });
      expect(await watcher.exited).toBe(0);
      const [copy = ""] = Array.from(new Bun.Glob("new/*").scanSync(archive));
      const text = readFileSync(join(archive, copy), "latin1");
      expect(text).toStartWith("Return-Path: <a@b.example>\nDelivered-To: joe@test.example\n");
      expect(text).toEndWith("\nSubject: watched\n\nhello\n");
      expect(home.delivered()).toEqual([]);
    }, 900_000);

    test("of a message whose sender is killed nothing is in the queue", async () => {
      expect(await home.drained(120)).toBe(true);
      const child = Bun.spawn([command, script("queue.js"), "half", home.path], { env: home.environment });
      // qmail-queue has made its file: the first half is on its way.
      expect(await until(patience, () => home.queued().length > 0)).toBe(true);
      child.kill("SIGKILL");
      expect(await until(patience, () => home.queued().length === 0)).toBe(true);
    }, 900_000);
  });
}

const headers: readonly string[] = [
  "To: ann\n\nbody\n",
  "To: Ann (the first) <ann@h>, bob@x.y, g: c, d@e;\nCc: x+\nBcc: secret\n\n",
  "From: Joe <joe>\nSender: x@y\nTo: a\nReply-To: r\n\n",
  "Resent-To: a, b@c\nTo: old@x\nDate: long ago\n\n",
  "From nobody Mon Jan  1 00:00:00 2001\nTo: a\nX-Long: 1\n 2\n\t3\n\nbody",
  `To: ${Array.from({ length: 40 }, (_, index) => `"No. ${index}" <box${index}@example.org>`).join(", ")}\n\n`,
  "Return-Path: <other@x.y>\nTo: a\nContent-Length: 5\n\n",
  "To: (a\nCc: b\n\n",
  "To: \xe9@x.y\nSubject: \xe9\n\n\xff\n",
];
for (const text of headers) {
  test(`${JSON.stringify(text.slice(0, 50))} gets the header that qmail-inject makes`, async () => {
    using place = new Scratch();
    place.write("control/me", "h.example\n");
    const environment = { QMAILUSER: "joe", QMAILNAME: "Joe B.", QMAILHOME: place.path };
    const variables = { ...environment, QMAILQUEUE: place.queueProgram() };
    const message = Buffer.from(text, "latin1");
    const kept = (): [string, string] => [
      place.read("queued-message").replace(/^(Resent-)?(Date|Message-ID): .*\n/gim, "$1$2\n"),
      place.read("queued-envelope"),
    ];
    expect(await runBuilt("qmail-inject", { stdin: message, env: variables })).toMatchObject({
      code: 0,
      stderr: "",
    });
    const wanted = kept();
    await inject(message, { home: place.path, environment: { PATH: process.env.PATH, ...variables } });
    expect(kept()).toEqual(wanted);
  });
}
