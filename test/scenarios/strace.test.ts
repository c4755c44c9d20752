/** What must be on the disk before what: the order of system calls, as strace sees it. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";
import { PrivateHome } from "../helpers/home.ts";

const calls = "openat,fsync,fdatasync,syncfs,link,linkat,rename,renameat,renameat2,write,writev,pwrite64";
const missing = Bun.which("strace") === null;

/** Runs a program of the home under strace; its successful calls, in order. */
function trace(home: PrivateHome, command: string[], input: string, envelope?: string): string[] {
  const file = (name: string, content: string) => {
    const path = join(home.path, name);
    writeFileSync(path, content);
    return path;
  };
  const out = join(home.path, "trace");
  const redirected = `exec "$@" <${file("input", input)}${envelope === undefined ? "" : ` 1<${file("envelope", envelope)}`}`;
  const strace = ["strace", "-f", "-y", "-qq", "-e", `trace=${calls}`, "-e", "status=successful", "-o", out];
  const result = Bun.spawnSync([...strace, "/bin/sh", "-c", redirected, "sh", ...command], {
    env: home.environment,
    cwd: home.path,
  });
  expect(result.stderr.toString()).toBe("");
  expect(result.exitCode).toBe(0);
  return readFileSync(out, "latin1")
    .split("\n")
    .map((line) => line.replace(/^\d+ +/, ""));
}

/** The place of the last call of that shape; a failure if there is none. */
function last(events: readonly string[], shape: RegExp): number {
  const index = events.findLastIndex((event) => shape.test(event));
  if (index < 0) throw new Error(`no call like ${shape}:\n${events.join("\n")}`);
  return index;
}

/** The shapes must be met in this order. */
function inOrder(events: readonly string[], ...shapes: RegExp[]): void {
  const places = shapes.map((shape) => last(events, shape));
  expect(places).toEqual([...places].sort((a, b) => a - b));
}

test.skipIf(missing)(
  "qmail-queue: message, envelope and name, then todo, then its name (needs strace)",
  async () => {
    const home = new PrivateHome();
    try {
      const events = trace(home, [home.program("qmail-queue")], "Subject: x\n\nbody\n", "Fa@b\0Tc@d\0\0");
      const synced = "f(?:data)?sync";
      const todo = /^link\(.*\/intd\/\d+".*\/todo\/\d+"/;
      // The message's file was opened under its first name, in pid.
      inOrder(
        events,
        /^write\(\d+<[^>]*\/(pid|mess)\//,
        new RegExp(`^${synced}\\(\\d+<[^>]*/(pid|mess)/[^>]*\\d>`),
        todo,
      );
      inOrder(events, /^write\(\d+<[^>]*\/intd\//, new RegExp(`^${synced}\\(\\d+<[^>]*/intd/\\d+>`), todo);
      inOrder(events, /^link\(.*\/mess\/\d+\/\d+"/, new RegExp(`^${synced}\\(\\d+<[^>]*/mess/\\d+>`), todo);
      inOrder(events, todo, new RegExp(`^${synced}\\(\\d+<[^>]*/todo>`));
    } finally {
      await home.remove();
    }
  },
);

test.skipIf(missing)(
  "qmail-queue --resident: all that came together, then their todo, then its names, then the answers (needs strace)",
  async () => {
    const home = new PrivateHome();
    try {
      const bytes = (text: string) => Buffer.from(text);
      const requests = [1, 2, 3].flatMap((number) =>
        encodeRequest({
          message: [bytes(`Subject: ${number}\n\n`)],
          sender: bytes("a@b"),
          recipients: [bytes("c@d")],
        }),
      );
      const command = [home.program("qmail-queue"), "--resident"];
      let events: string[] = [];
      const places = (shape: RegExp) => events.flatMap((event, index) => (shape.test(event) ? [index] : []));
      const flushes = () => places(/^syncfs\(\d+<[^>]*\/queue\/pid>/);
      // Another test's server may flush this very file system meanwhile, for all who are ready.
      for (let run = 0; run < 20 && flushes().length < 2; run++)
        events = trace(home, command, Buffer.concat(requests).toString());
      const [before, after, ...more] = flushes();
      if (before === undefined || after === undefined) throw new Error(events.join("\n"));
      expect(more).toEqual([]);
      // Each flush is looked at before anything relies on it.
      const looked = places(/^openat\(.*\/queue\/pid".*O_TMPFILE/).map((look) =>
        places(/^syncfs/)
          .filter((flush) => flush < look)
          .at(-1),
      );
      expect(looked).toEqual([before, after]);
      for (const written of places(/^write\(\d+<[^>]*\/(?:pid|mess|intd)\//))
        expect(written).toBeLessThan(before);
      const linked = places(/^link\(.*\/intd\/\d+".*\/todo\/\d+"/);
      expect(linked.length).toBe(3);
      for (const link of linked) {
        expect(link).toBeGreaterThan(before);
        expect(link).toBeLessThan(after);
      }
      const answered = places(/^write\(1<.*"\d+:Kok /);
      expect(answered.length).toBe(3);
      for (const answer of answered) expect(answer).toBeGreaterThan(after);
    } finally {
      await home.remove();
    }
  },
);

test.skipIf(missing)(
  "qmail-local: the file, then its name in new, then that name (needs strace)",
  async () => {
    const home = new PrivateHome();
    try {
      const user = join(home.path, "mail", home.user);
      const words = ["--", home.user, user, home.user, "", "", "test.example", "a@b", "./Maildir/"];
      const events = trace(home, [home.program("qmail-local"), ...words], "Subject: x\n\nbody\n");
      const name = /^(link|rename).*Maildir\/+tmp\/.*Maildir\/+new\//;
      inOrder(
        events,
        /^write\(\d+<[^>]*Maildir\/tmp\//,
        /^f(data)?sync\(\d+<[^>]*Maildir\/tmp\/[^>]+>/,
        name,
      );
      inOrder(events, name, /^f(data)?sync\(\d+<[^>]*\/new>/);
    } finally {
      await home.remove();
    }
  },
);
