/** The package as `npm pack` makes it, unpacked where a program of somebody else's would have it, and what runs it. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dir, "../..");

/** What a run printed, and its exit code. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. */
export function run(
  command: readonly string[],
  options: { cwd?: string; env?: object; input?: string } = {},
): Ran {
  const [program = "", ...words] = command;
  const { PATH = "", HOME = "/" } = process.env;
  const { cwd = root, env = {}, input = "" } = options;
  const done = spawnSync(program, words, { cwd, env: { PATH, HOME, ...env }, input, encoding: "utf8" });
  return { code: done.status, stdout: done.stdout ?? "", stderr: `${done.stderr ?? ""}${done.error ?? ""}` };
}

/** Runs a program that has to work. */
export function must(command: readonly string[], options: Parameters<typeof run>[1] = {}): Ran {
  const ran = run(command, options);
  if (ran.code !== 0) throw new Error(`${command.join(" ")}: ${ran.code}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

/** Packs the package; returns the path of the file. */
export function pack(into: string): string {
  must(["npm", "pack", "--silent", "--pack-destination", into]);
  const [file = ""] = readdirSync(into).filter((name) => name.endsWith(".tgz"));
  return join(into, file);
}

/**
 * A project that has the package in its node_modules, and the types of Node. The files are copied into its `src`; with
 * compile(), JavaScript of the same names is in `out`.
 */
export class Project {
  readonly path = mkdtempSync(join(tmpdir(), "qmail-project-"));

  constructor(tarball: string, files: readonly string[]) {
    const installed = join(this.path, "node_modules/qmail-ts");
    mkdirSync(installed, { recursive: true });
    must(["tar", "-xzf", tarball, "--strip-components=1", "-C", installed]);
    for (const name of ["@types", "undici-types"])
      symlinkSync(join(root, "node_modules", name), join(this.path, "node_modules", name));
    writeFileSync(join(this.path, "package.json"), '{ "type": "module" }\n');
    mkdirSync(join(this.path, "src"));
    for (const file of files) cpSync(file, join(this.path, "src", file.slice(file.lastIndexOf("/") + 1)));
  }

  /** Compiles `src` by these options beside the strict ones; returns the compiler's complaints. */
  compile(options: Readonly<Record<string, unknown>>): string {
    const strict = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };
    const compilerOptions = { ...strict, target: "ES2022", rootDir: "src", outDir: "out", ...options };
    writeFileSync(join(this.path, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
    return run([join(root, "node_modules/.bin/tsc"), "-p", this.path]).stdout;
  }
}

/** A runtime that the API has to work with. */
export interface Runtime {
  name: string;
  command: string;
}

/** Bun, node of PATH, and those that $QMAIL_TS_NODES lists with colons between them: name and version, and path. */
export function runtimes(): Runtime[] {
  const listed = (process.env.QMAIL_TS_NODES ?? "").split(":").filter((path) => path !== "");
  const nodes = [Bun.which("node") ?? "node", ...listed].map((command) => ({
    name: `node ${run([command, "--version"]).stdout.trim() || "(not found)"}`,
    command,
  }));
  return [{ name: `bun ${Bun.version}`, command: process.execPath }, ...nodes];
}

/** Whether a Node is one that the API is made for. */
export const isSupported = ({ name }: Runtime): boolean => {
  const major = /^node v(\d+)\./.exec(name)?.[1];
  return name.startsWith("bun") || Number(major) >= 20;
};
