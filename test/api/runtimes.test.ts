/**
 * The API, packed and unpacked again, in every runtime at hand: the checks of checks/, and the examples, compiled
 * against the types of the package. QMAIL_TS_NODES names more Nodes: `/opt/node22/bin/node:/opt/node24/bin/node`.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSupported, Project, pack, type Runtime, root, run, runtimes } from "./package.ts";

const below = (folder: string): string[] =>
  readdirSync(join(root, folder)).map((name) => join(root, folder, name));
const scratch = mkdtempSync(join(tmpdir(), "qmail-pack-"));
const tarball = pack(scratch);
const project = new Project(tarball, [...below("test/api/checks"), ...below("examples")]);
const node = { module: "NodeNext", moduleResolution: "NodeNext" };
const complaints = project.compile({ ...node, types: ["node"] });

const strangers: string[] = [];
afterAll(() => {
  for (const path of [scratch, project.path, ...strangers]) rmSync(path, { recursive: true, force: true });
});

test("the examples and the checks compile with the types of the package", () => {
  expect(complaints).toBe("");
});

const everything = `import { parseAddresses } from "qmail-ts/address";
import { Cdb, writeCdb } from "qmail-ts/cdb";
import { inject } from "qmail-ts/inject";
import { Maildir } from "qmail-ts/maildir";
import { NetstringDecoder } from "qmail-ts/netstring";
import { enqueue, QueueError } from "qmail-ts/queue";
export const all = { parseAddresses, Cdb, writeCdb, inject, Maildir, NetstringDecoder, enqueue, QueueError };
`;
const settings: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ["as Node finds modules", node],
  ["as bundlers find them", { module: "ESNext", moduleResolution: "bundler" }],
];
for (const [about, found] of settings) {
  test(`its types need no other types, ${about}`, () => {
    const stranger = new Project(tarball, []);
    strangers.push(stranger.path);
    writeFileSync(join(stranger.path, "src/all.ts"), everything);
    const complaints = stranger.compile({ ...found, types: [], lib: ["ES2022"], skipLibCheck: false });
    expect(complaints).toBe("");
  });
}

/** Runs a compiled file of the project. */
const start = ({ command }: Runtime, words: readonly string[], options: Parameters<typeof run>[1] = {}) =>
  run([command, join(project.path, "out", words[0] ?? ""), ...words.slice(1)], {
    cwd: project.path,
    ...options,
  });

for (const runtime of runtimes()) {
  const fits = isSupported(runtime);
  describe.skipIf(!fits)(`${runtime.name}${fits ? "" : ": Node 20 or later is needed"}`, () => {
    for (const name of ["inject", "maildir", "queue", "values"]) {
      test(`checks: ${name}`, () => {
        const { code, stdout, stderr } = start(runtime, ["run.js", name]);
        const rows = stdout
          .split("\n")
          .filter((line) => line !== "")
          .map((line): { name: string; error?: string } => JSON.parse(line));
        const failed = rows.filter(({ error }) => error !== undefined);
        expect({ failed, code, stderr: code === 0 ? "" : stderr }).toEqual({
          failed: [],
          code: 0,
          stderr: "",
        });
        expect(rows.length).toBeGreaterThan(9);
      }, 900_000);
    }

    test("the examples do what they say", () => {
      examples(runtime);
    }, 900_000);
  });
}

/** A home whose queue program keeps what it gets. */
function makeHome(): string {
  const home = mkdtempSync(join(scratch, "home-"));
  for (const name of ["bin", "control"]) mkdirSync(join(home, name));
  writeFileSync(join(home, "control/me"), "h.example\n");
  writeFileSync(join(home, "bin/qmail-queue"), "#!/bin/sh\ncat >message\ncat <&1 >envelope\n", {
    mode: 0o755,
  });
  return home;
}

function examples(runtime: Runtime): void {
  const home = makeHome();
  const env = { QMAILHOME: home, QMAILUSER: "joe" };
  const keptText = (name: string) => Bun.spawnSync(["cat", join(home, name)]).stdout.toString();

  const sent = start(runtime, ["send.js", "me@x.y", "ann", "bob@b.c"], {
    env,
    input: "Subject: x\n\nhello\n",
  });
  expect(sent).toMatchObject({ code: 0, stderr: "" });
  expect(sent.stdout).toMatch(/^queued by process \d+ for ann@h\.example bob@b\.c\n$/);
  expect(keptText("envelope")).toBe("Fme@x.y\0Tann@h.example\0Tbob@b.c\0\0");
  expect(start(runtime, ["send.js", "", "ann"], { env, input: "From: (a\n\n" })).toMatchObject({
    code: 100,
    stderr: "send: unable to parse: From: (a\n",
  });

  expect(start(runtime, ["alarm.js", "ann"], { env })).toMatchObject({ code: 0, stderr: "" });
  expect(keptText("message")).toMatch(/^From: ".*: watchdog" <watchdog@h\.example>\nTo: ann@h\.example$/m);

  writeFileSync(join(home, "letter"), "To: Ann <ann@a.b>,\n bob\nCc: c@d\n\nbody\n");
  const forwarded = start(runtime, ["forwarder.js", join(home, "letter")], { env });
  expect(forwarded).toEqual({ code: 0, stdout: "ann@a.b\nbob@localhost\nc@d\n", stderr: "" });
  expect(keptText("envelope")).toBe("F\0Tann@a.b\0Tbob@localhost\0Tc@d\0\0");
  expect(keptText("message")).toBe("To: Ann <ann@a.b>,\n bob\nCc: c@d\n\nbody\n");

  for (const name of ["", "tmp", "new", "cur"]) mkdirSync(join(home, "from", name), { recursive: true });
  for (const name of ["1", "2"]) writeFileSync(join(home, "from/new", name), `${name}\n`);
  const archived = start(runtime, ["archive.js", join(home, "from"), join(home, "to"), "2"]);
  expect(archived).toEqual({ code: 0, stdout: "2 bytes, kept in new\n2 bytes, kept in new\n", stderr: "" });
  expect(readdirSync(join(home, "to/new")).length).toBe(2);
  expect(readdirSync(join(home, "from/cur")).sort()).toEqual(["1:2,", "2:2,"]);

  const table = start(runtime, ["table.js", join(home, "t.cdb")], { input: "ann a@b\njoe j@k\n" });
  expect(table).toEqual({ code: 0, stdout: "7:ann=a@b,7:joe=j@k,", stderr: "" });
}
