/** Tests from elsewhere whose results belong into the table: what npm installs, and the guides. */
import { resolve } from "node:path";
import type { Group, Row } from "./row.ts";

const followed = "guide-start(7), guide-pop3(7), ..., word for word";

/** The tests of a row: what `bun test` is told. */
const tests: Readonly<Record<string, readonly string[]>> = {
  "npm install FILE -> qmail-ts/queue, /maildir, /inject, ...; examples": ["api/runtimes"],
  "npm pack, npm install FILE in a project -> Node, Bun": ["api/install", "-t", "into a project"],
  "npm install -g FILE -> working commands, a mail system": ["api/install", "-t", "for the machine"],
  [followed]: ["scenarios/guides"],
};

const node = Bun.spawnSync(["node", "--version"]).stdout.toString().trim().slice(1);

/** Runs them; how many passed. */
async function outside({ direction }: Row): Promise<string> {
  const [file = "", ...words] = tests[direction] ?? [];
  const command = [process.execPath, "test", "--timeout=900000", `./test/${file}.test.ts`, ...words];
  const root = resolve(import.meta.dir, "../../..");
  const child = Bun.spawn(command, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  const passed = Number(/^ *(\d+) pass$/m.exec(err)?.[1] ?? 0);
  if (code !== 0 || passed === 0) throw new Error(`exit ${code}\n${out}${err}`);
  return `${passed} tests with Bun ${Bun.version}`;
}

export const runtimes: Group = {
  name: "runtimes",
  outside,
  rows: [
    ...Object.keys(tests)
      .filter((direction) => direction !== followed)
      .map((direction): Row => ({ packages: ["nodejs"], version: node, direction, needs: ["node", "npm"] })),
    { packages: ["inetutils-telnet"], direction: followed, needs: ["telnet", "useradd", "setpriv"] },
  ],
};
