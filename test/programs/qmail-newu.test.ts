/** qmail-newu and qmail-newmrh beyond the recorded cases: what a failure leaves, and modes. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cdbLookUp } from "../helpers/cdb.ts";

const programs = resolve(process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));
const home = mkdtempSync(join(tmpdir(), "qmail-newu-"));
for (const name of ["users", "control"]) mkdirSync(join(home, name));
afterAll(() => rmSync(home, { recursive: true }));

function run(program: string, umask = "022"): { exitCode: number; stderr: string } {
  const command = ["/bin/sh", "-c", `umask ${umask}; exec "$0"`, join(programs, program)];
  const { exitCode, stderr } = Bun.spawnSync(command, { env: { QMAILHOME: home } });
  return { exitCode, stderr: stderr.toString() };
}

const tables = [
  { program: "qmail-newu", source: "users/assign", made: "users/cdb", temporary: "users/cdb.tmp" },
  {
    program: "qmail-newmrh",
    source: "control/morercpthosts",
    made: "control/morercpthosts.cdb",
    temporary: "control/morercpthosts.tmp",
  },
];

for (const { program, source, made, temporary } of tables) {
  const path = (name: string) => join(home, name);

  test(`${program}: everybody can read the result, whatever the umask`, () => {
    writeFileSync(path(source), program === "qmail-newu" ? "=a:a:1:1:/h:::\n.\n" : "a\n");
    expect(run(program, "077")).toEqual({ exitCode: 0, stderr: "" });
    expect(statSync(path(made)).mode & 0o777).toBe(0o644);
    expect(existsSync(path(temporary))).toBe(false);
  });

  test(`${program}: where nothing can be read, the old file stays and no new one begins`, () => {
    const before = readFileSync(path(made));
    rmSync(path(source));
    mkdirSync(path(source));
    const { exitCode, stderr } = run(program);
    expect(exitCode).toBe(111);
    expect(stderr).toStartWith(`${program}: fatal: unable to read ${source}`);
    expect(readFileSync(path(made))).toEqual(before);
    expect(existsSync(path(temporary))).toBe(false);
    rmSync(path(source), { recursive: true });
  });

  test(`${program}: where the result can not be put, it says so`, () => {
    writeFileSync(path(source), program === "qmail-newu" ? ".\n" : "a\n");
    rmSync(path(made));
    mkdirSync(path(made));
    const { exitCode, stderr } = run(program);
    expect(exitCode).toBe(111);
    expect(stderr).toStartWith(`${program}: fatal: unable to move ${temporary} to ${made}`);
    expect(existsSync(path(temporary))).toBe(false);
    rmSync(path(made), { recursive: true });
  });
}

test("qmail-newmrh: small letters, no comments, no blanks behind", () => {
  writeFileSync(join(home, "control/morercpthosts"), "# hosts\nA.Example \t\n\n.B.Example\nlast.example");
  expect(run("qmail-newmrh").exitCode).toBe(0);
  const has = (host: string) => cdbLookUp(join(home, "control/morercpthosts.cdb"), Buffer.from(host));
  for (const host of ["a.example", ".b.example", "last.example"]) expect(has(host)).toEqual(Buffer.alloc(0));
  for (const host of ["# hosts", "A.Example", "b.example", ""]) expect(has(host)).toBeUndefined();
});

test("without a home they say so", () => {
  const command = (program: string) =>
    Bun.spawnSync([join(programs, program)], { env: { QMAILHOME: "/nonexistent" } }).stderr.toString();
  expect(command("qmail-newu")).toBe("qmail-newu: fatal: unable to chdir\n");
  expect(command("qmail-newmrh")).toBe(
    "qmail-newmrh: fatal: unable to chdir to /nonexistent: file does not exist\n",
  );
});
