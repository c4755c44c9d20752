/**
 * Makes bin/ and the `bin` of package.json and package-lock.json from the registry: one launcher per program, which runs it from source.
 * `bun scripts/launchers.ts [--check]`: with --check nothing is written, and exit code 1 says that something differs.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { programs } from "../src/programs.ts";

const root = resolve(import.meta.dir, "..");

/** The launcher of a program; follows links, as npm makes them, to find its source tree. */
export const launcher = (name: string): string => `#!/bin/sh
# Runs ${name} from source.
here=$(readlink -f -- "$0") && root=\${here%/bin/*} || exit 111
name=${name}
. "$root/scripts/launch.sh"
`;

/** The list of programs in package.json, and in the copy of it that package-lock.json holds. */
interface Listing {
  bin: Record<string, string>;
  packages?: { "": Listing };
}

/** What has to be written: path to content. Launchers that are in bin/ but have no program: null. */
export function wanted(): Map<string, string | null> {
  const files = new Map<string, string | null>();
  const directory = join(root, "bin");
  for (const name of existsSync(directory) ? readdirSync(directory) : []) files.set(`bin/${name}`, null);
  for (const { name } of programs) files.set(`bin/${name}`, launcher(name));
  const bin = Object.fromEntries(programs.map(({ name }) => [name, `bin/${name}`]));
  for (const path of ["package.json", "package-lock.json"]) {
    const file: Listing = JSON.parse(readFileSync(join(root, path), "utf8"));
    (file.packages?.[""] ?? file).bin = bin;
    files.set(path, `${JSON.stringify(file, null, 2)}\n`);
  }
  return files;
}

/** The paths whose file is not what it should be. */
export function differing(): string[] {
  return [...wanted()]
    .filter(([path, content]) => {
      const file = join(root, path);
      return content !== (existsSync(file) ? readFileSync(file, "utf8") : null);
    })
    .map(([path]) => path);
}

if (import.meta.main) {
  const different = differing();
  const files = wanted();
  if (process.argv.includes("--check")) {
    for (const path of different) console.error(`launchers: ${path} differs from the registry`);
    process.exit(different.length === 0 ? 0 : 1);
  }
  mkdirSync(join(root, "bin"), { recursive: true });
  for (const path of different) {
    const content = files.get(path) ?? null;
    if (content === null) rmSync(join(root, path));
    else {
      writeFileSync(join(root, path), content);
      if (path.startsWith("bin/")) chmodSync(join(root, path), 0o755);
    }
    console.log(`launchers: ${content === null ? "removed" : "wrote"} ${path}`);
  }
}
