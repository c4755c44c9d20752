/**
 * The package as npm installs it: into a project, and for the whole machine, where an ordinary user runs its programs
 * and can not write to it.
 */
import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Group, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { isRoot, nobody } from "../helpers/queue-home.ts";
import { isSupported, must, pack, root, run, runtimes } from "./package.ts";

const scratch = mkdtempSync(join(tmpdir(), "qmail-install-"));
chmodSync(scratch, 0o755);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const hasRegistry =
  run([
    "npm",
    "view",
    `bun@${optionalDependencies.bun}`,
    "version",
    "--fetch-retries=0",
    "--fetch-timeout=10000",
  ]).code === 0;
const suffix = hasRegistry ? "" : " (no registry of npm packages can be reached)";

/** Makes a directory in the scratch one. */
function directory(name: string): string {
  const path = join(scratch, name);
  mkdirSync(path);
  return path;
}

/** A place where a stranger left settings for Bun: code to run first, a variable, packages of other names. */
function trap(name: string): string {
  const path = directory(name);
  writeFileSync(join(path, "bunfig.toml"), 'preload = ["./first.ts"]\n');
  writeFileSync(
    join(path, "first.ts"),
    'import { writeFileSync } from "node:fs";\nwriteFileSync("caught", "");\n',
  );
  writeFileSync(join(path, ".env"), "QMAILUSER=stranger\n");
  return path;
}

test("a launcher does not heed settings in the directory that it is called in", () => {
  const cwd = trap("trap");
  mkdirSync(join(cwd, "control"));
  writeFileSync(join(cwd, "control/me"), "h.example\n");
  const env = { QMAILHOME: cwd, USER: "ann" };
  const printed = run([join(root, "bin/qmail-inject"), "-n"], { cwd, env, input: "To: joe\n\n" });
  expect(printed).toMatchObject({ code: 0, stderr: "" });
  expect(printed.stdout).toStartWith("Return-Path: <ann@h.example>\n");
  expect(existsSync(join(cwd, "caught"))).toBe(false);
});

test("a launcher without Bun says so, and takes none from around a clone", () => {
  const clone = directory("clone");
  for (const name of ["bin", "scripts", "src"]) must(["cp", "-r", join(root, name), clone]);
  const stranger = join(scratch, ".bin");
  mkdirSync(stranger);
  writeFileSync(join(stranger, "bun"), "#!/bin/sh\necho stranger\n", { mode: 0o755 });
  const tools = directory("tools");
  for (const name of ["sh", "readlink", "env"]) symlinkSync(Bun.which(name) ?? "", join(tools, name));
  const alone = run([join(clone, "bin/qmail"), "--version"], { env: { PATH: tools } });
  expect(alone).toEqual({
    code: 111,
    stdout: "",
    stderr: "qmail: fatal: unable to find bun, which runs it: npm install -g bun\n",
  });
});

test.skipIf(!hasRegistry)(
  `installed into a project, the API works in every runtime${suffix}`,
  () => {
    const project = directory("project");
    writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }\n');
    must(["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", pack(directory("packed"))], {
      cwd: project,
    });
    writeFileSync(
      join(project, "a.js"),
      'import { encodeNetstring } from "qmail-ts/netstring";\nprocess.stdout.write(encodeNetstring("x"));\n',
    );
    for (const { command } of runtimes().filter(isSupported))
      expect(run([command, "a.js"], { cwd: project })).toEqual({ code: 0, stdout: "1:x,", stderr: "" });
    expect(run(["node_modules/.bin/qmail", "--version"], { cwd: project })).toMatchObject({
      code: 0,
      stderr: "",
    });
  },
  300_000,
);

/** Installs for the whole machine, below a prefix. */
function installed(name: string, ...options: readonly string[]): string {
  const prefix = directory(name);
  const file = pack(directory(`${name}-packed`));
  must([
    "npm",
    "install",
    "-g",
    "--prefix",
    prefix,
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    ...options,
    file,
  ]);
  return prefix;
}

/** A command of an ordinary user: nobody, where we are root. */
const asUser = (...command: string[]): string[] =>
  isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", ...command] : command;

test.skipIf(!hasRegistry)(
  `installed for the machine, without install scripts, an ordinary user gets a mail system${suffix}`,
  async () => {
    const prefix = installed("machine", "--ignore-scripts");
    if (!isRoot) must(["chmod", "-R", "a-w", prefix]);
    const place = directory("place");
    chmodSync(place, 0o777);
    const home = join(place, "home");
    const cwd = trap("user-trap");
    chmodSync(cwd, 0o777);
    const env = { PATH: `${prefix}/bin:/usr/bin:/bin`, HOME: "/nonexistent", QMAILHOME: home, USER: "ann" };
    must(asUser("qmail", "init", "--home", home, "--host", "test.example"), { cwd, env });
    must(asUser("qmail", "user", "add", "joe"), { cwd, env });
    const daemons = new Group(asUser(join(home, "rc")), env, "ignore");
    try {
      const message = "Subject: x\nTo: joe\n\nhello\n";
      must(asUser("qmail-inject"), { cwd, env, input: message });
      const box = join(home, "mail/joe/Maildir/new");
      expect(await until(patience, () => readdirSync(box).length === 1)).toBe(true);
      expect(readFileSync(join(box, readdirSync(box)[0] ?? ""), "latin1")).toEndWith("\n\nhello\n");
    } finally {
      await daemons.kill();
      if (!isRoot) must(["chmod", "-R", "u+w", prefix]);
    }
    expect(existsSync(join(cwd, "caught"))).toBe(false);
  },
  300_000,
);

test.skipIf(!hasRegistry)(
  `installed for the machine, it can be compiled in its place${suffix}`,
  () => {
    const prefix = installed("compiled", "--allow-scripts=bun");
    const inside = join(prefix, "lib/node_modules/qmail-ts");
    must(["npm", "run", "--silent", "build"], { cwd: inside });
    const home = join(scratch, "compiled-home");
    must([join(prefix, "bin/qmail"), "init", "--home", home, "--host", "test.example"]);
    const link = join(home, "bin/qmail-queue");
    expect(lstatSync(link).isSymbolicLink() && readlinkSync(link)).toBe(join(inside, "dist/bin/qmail-queue"));
  },
  300_000,
);
