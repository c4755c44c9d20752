/**
 * Builds dist/: one compiled executable, hard-linked to the name of every registered program, and the manual.
 * `bun scripts/build.ts [--out DIR]`. Does nothing when dist is newer than everything it is made from.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { lockExclusive } from "../src/core/sys/lock.ts";
import { programs } from "../src/programs.ts";

const root = resolve(import.meta.dir, "..");
const option = process.argv.indexOf("--out");
const out = resolve(option > 0 ? (process.argv[option + 1] ?? "dist") : join(root, "dist"));

/** The newest modification time below a directory, in milliseconds. */
function newest(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const stamp = join(out, ".built");
/** Copied as they are: what `qmail setup` installs beside the programs. */
const copied = ["native", "service"];
// A package that npm installed has no package-lock.json.
const sources = ["src", "man", ...copied, "scripts/build.ts", "package-lock.json"]
  .map((name) => join(root, name))
  .filter((path) => existsSync(path));
const isBuilt = () => existsSync(stamp) && Math.max(...sources.map(newest)) < statSync(stamp).mtimeMs;
if (isBuilt()) process.exit(0);

// Two builds at once: the second waits, and finds the work done.
mkdirSync(dirname(out), { recursive: true });
lockExclusive(openSync(`${out}.lock.tmp`, "a"));
if (isBuilt()) process.exit(0);

const fresh = `${out}.tmp`;
rmSync(fresh, { recursive: true, force: true });
mkdirSync(join(fresh, "bin"), { recursive: true });
const executable = join(fresh, "bin", "qmail-ts");

/** The programs that live for one message, with all they use: what they load at a later time is everybody's. */
const atOnce = join(root, "src/at-once.ts");
const bundled = await Bun.build({
  entrypoints: [atOnce],
  target: "bun",
  format: "esm",
  plugins: [
    {
      name: "at once",
      setup: (build) =>
        void build.onResolve({ filter: /^\./ }, ({ kind, path, importer }) =>
          kind === "dynamic-import" ? { path: resolve(dirname(importer), path), external: true } : undefined,
        ),
    },
  ],
});
const [bundle] = bundled.outputs;
if (bundle === undefined) throw new Error(`build: no bundle of ${atOnce}`);
const text = await bundle.text();
const result = await Bun.build({
  // Threads are loaded by their file's name.
  entrypoints: [join(root, "src/main.ts"), join(root, "src/core/sys/flush-worker.ts")],
  root,
  target: "bun",
  format: "esm",
  minify: true,
  bytecode: true,
  // A program loads its own code and what it uses of core, not everybody's: saves about 5 ms of every start.
  splitting: true,
  plugins: [
    {
      name: "at once",
      setup: (build) =>
        void build.onLoad({ filter: /\/src\/at-once\.ts$/ }, () => ({ contents: text, loader: "js" })),
    },
  ],
  // core/sys/compiler.ts takes the patience back where it does not pay.
  compile: { outfile: executable, autoloadDotenv: false, autoloadBunfig: false, jitPolicy: 8 },
});
if (!result.success) {
  console.error("build: unable to compile src/main.ts");
  for (const log of result.logs) console.error(String(log));
  process.exit(1);
}
for (const { name } of programs) linkSync(executable, join(fresh, "bin", name));
for (const page of readdirSync(join(root, "man"))) {
  const section = page.split(".").pop() ?? "";
  const target = join(fresh, "man", `man${section}`, page);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(root, "man", page), target);
}
for (const name of copied) cpSync(join(root, name), join(fresh, name), { recursive: true });
writeFileSync(join(fresh, ".built"), "");
// A mail system may be running from there: its programs are missing for no longer than between two renames.
const old = `${out}.old.tmp`;
rmSync(old, { recursive: true, force: true });
if (existsSync(out)) renameSync(out, old);
renameSync(fresh, out);
rmSync(old, { recursive: true, force: true });
console.error(`build: ${programs.length} programs in ${join(out, "bin")}`);
