/** qmail-getpw while accounts change, in a name space with an /etc/passwd of its own. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { canUnshare, unshare } from "../helpers/namespace.ts";

const programs = resolve(process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));
const work = mkdtempSync(join(tmpdir(), "qmail-getpw-"));
chmodSync(work, 0o755);
for (const name of ["joe", "alias"]) mkdirSync(join(work, name));
afterAll(() => rmSync(work, { recursive: true }));

const joe = `joe:x:1008:1008::${work}/joe:/bin/sh`;
const alias = `alias:x:1001:1001::${work}/alias:/bin/true`;

/** What qmail-getpw says, and its exit code, with these lines in /etc/passwd. */
function getpw(local: string, lines: readonly string[], ahead = ""): string {
  const script = `
    chown 1008 ${work}/joe && chown 1001 ${work}/alias && touch ${work}/passwd &&
    mount --bind ${work}/passwd /etc/passwd && printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} > /etc/passwd
    ${ahead}
    "$0" "$1" | tr '\\0' '|'; exit "\${PIPESTATUS[0]}"`;
  const result = Bun.spawnSync([...unshare, "bash", "-c", script, join(programs, "qmail-getpw"), local]);
  return `${result.exitCode} ${result.stdout}${result.stderr}`;
}

test.skipIf(!canUnshare())("needs name spaces: a user who is gone leaves the mail to alias", () => {
  expect(getpw("joe-x", [joe, alias])).toBe(`0 joe|1008|1008|${work}/joe|-|x|`);
  expect(getpw("joe-x", [alias])).toBe(`0 alias|1001|1001|${work}/alias|-|joe-x|`);
  expect(getpw("joe-x", [])).toBe("116 ");
});

test.skipIf(!canUnshare())("needs name spaces: a home given to somebody else is no home", () => {
  expect(getpw("joe", [joe, alias], `chown 1009 ${work}/joe`)).toBe(`0 alias|1001|1001|${work}/alias|-|joe|`);
  expect(getpw("joe", [joe, alias], `rmdir ${work}/joe; ln -s joe ${work}/joe`)).toBe(
    `0 alias|1001|1001|${work}/alias|-|joe|`,
  );
});
