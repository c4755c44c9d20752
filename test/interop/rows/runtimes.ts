/** Programs in TypeScript and JavaScript, and npm: the tests in test/api, whose results belong into the table. */
import { resolve } from "node:path";
import type { Group, Row } from "./row.ts";

/** The tests of a row: what `bun test` is told. */
const tests: Readonly<Record<string, readonly string[]>> = {
  "npm install FILE -> qmail-ts/queue, /maildir, /inject, ...; examples": ["runtimes"],
  "npm pack, npm install FILE in a project -> Node, Bun": ["install", "-t", "into a project"],
  "npm install -g FILE -> working commands, a mail system": ["install", "-t", "for the machine"],
};

const node = Bun.spawnSync(["node", "--version"]).stdout.toString().trim().slice(1);

/** Runs them; how many passed. */
async function outside({ direction }: Row): Promise<string> {
  const [file = "", ...words] = tests[direction] ?? [];
  const command = [process.execPath, "test", "--timeout=300000", `./test/api/${file}.test.ts`, ...words];
  const root = resolve(import.meta.dir, "../../..");
  const child = Bun.spawn(command, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  const passed = Number(/^ *(\d+) pass$/m.exec(err)?.[1] ?? 0);
  if (code !== 0 || passed === 0) throw new Error(`exit ${code}\n${out}${err}`);
  return `${passed} tests, with Node ${node} and Bun ${Bun.version}`;
}

export const runtimes: Group = {
  name: "runtimes",
  outside,
  rows: Object.keys(tests).map((direction) => ({
    packages: ["nodejs"],
    version: node,
    direction,
    needs: ["node", "npm"],
  })),
};
