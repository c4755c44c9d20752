/**
 * Makes lib/: the API (src/api) as JavaScript for any runtime, with its types. `npm pack` and `npm publish` run it.
 * `bun scripts/library.ts [--out DIR]`
 */
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { lockExclusive } from "../src/core/sys/lock.ts";

const root = resolve(import.meta.dir, "..");
const option = process.argv.indexOf("--out");
const out = resolve(option > 0 ? (process.argv[option + 1] ?? "lib") : join(root, "lib"));

// Two at once: the second waits, and makes the same again.
lockExclusive(openSync(`${out}.lock.tmp`, "a"));
const fresh = `${out}.tmp`;
rmSync(fresh, { recursive: true, force: true });
const compiler = join(root, "node_modules/.bin/tsc");
const made = spawnSync(compiler, ["-p", join(root, "tsconfig.library.json"), "--outDir", fresh], {
  stdio: ["ignore", 2, 2],
});
if (made.status !== 0) {
  console.error("library: unable to compile src/api");
  process.exit(1);
}
for (const name of readdirSync(fresh, { recursive: true, encoding: "utf8" })) {
  if (!name.endsWith(".d.ts")) continue;
  const path = join(fresh, name);
  // The types of the API name nothing of what is behind it.
  if (!name.startsWith("api/")) rmSync(path);
  else writeFileSync(path, readFileSync(path, "utf8").replace(/(from "\.[^"]*)\.ts"/g, '$1.js"'));
}
const old = `${out}.old.tmp`;
rmSync(old, { recursive: true, force: true });
if (existsSync(out)) renameSync(out, old);
renameSync(fresh, out);
rmSync(old, { recursive: true, force: true });
