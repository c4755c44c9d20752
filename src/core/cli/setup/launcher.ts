/** bin/qmail-queue: the native launcher, compiled here, the only program with a set-user-id bit (qmail-home(7)). */
import { spawnSync } from "node:child_process";
import { constants, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { standardHome } from "../../sys/home.ts";
import { executables } from "../executables.ts";
import { attempt, fail, refuse } from "../trouble.ts";
import { tool } from "./accounts.ts";
import { keepAside } from "./aside.ts";
import { placeName, queueProgram } from "./programs.ts";
import { differing, lookAt, own, type Site, type Steps } from "./step.ts";
import { executableName, launcher, ownershipText } from "./tree.ts";

/** What the launcher runs. It is part of its code, so that nobody can make it run anything else. */
export const launched = `${standardHome}/bin/${executableName}`;

/** What does not work without the launcher. */
export const withoutLauncher =
  "without it nobody but root can put mail into the queue, and mail of users, from qmail-smtpd, bounces and forwards are put off";

const compilers = ["cc", "gcc", "clang"];

/** The launcher's source: beside the programs, in what was built and in what was installed. */
function source(): string {
  const path = join(dirname(executables()), "native/qmail-queue.c");
  if (lookAt(path) === undefined) throw refuse(`${path} is not there: build anew, with npm run build`);
  return path;
}

/** What bin/qmail-queue is. */
export type LauncherKind = "absent" | "launcher" | "link" | "foreign";

export function launcherKind(site: Site): LauncherKind {
  const path = join(site.home, "bin", queueProgram);
  const found = lookAt(path);
  if (found === undefined) return "absent";
  const main = lookAt(join(site.home, "bin", executableName));
  if (found.ino === main?.ino && found.dev === main.dev) return "link";
  return found.isFile() && isLauncher(path) ? "launcher" : "foreign";
}

/** Whether a program is our launcher: it names what it runs. A launcher is small. */
export function isLauncher(path: string): boolean {
  const most = 1 << 20;
  if ((lookAt(path)?.size ?? most) >= most) return false;
  return attempt(`read ${path}`, () => readFileSync(path)).includes(`${launched}\0`);
}

/** The compiler of this machine, or undefined. */
export const compiler = (): string | undefined => compilers.map(tool).find((path) => path !== undefined);

/** Compiles and installs it, where it is missing or not the one of this source. */
export function* launcherSteps(site: Site, replace: boolean): Steps {
  const path = join(site.home, "bin", queueProgram);
  const kind = launcherKind(site);
  if (kind === "foreign" && !replace) return;
  const command = compiler();
  if (command === undefined) {
    yield* fallback(site, kind);
    return;
  }
  const work = attempt("make a temporary directory", () => mkdtempSync(join(tmpdir(), "qmail-setup-")));
  try {
    const fresh = join(work, queueProgram);
    compile(command, fresh);
    if (kind !== "launcher" || !readFileSync(fresh).equals(readFileSync(path)))
      yield {
        words: `compile ${path} (${ownershipText(launcher)}), the way of local users into the queue`,
        run: () => {
          if (kind === "foreign") keepAside(site, `bin/${queueProgram}`);
          install(fresh, path);
        },
      };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  yield* ownSteps(path);
}

function* ownSteps(path: string): Steps {
  if (lookAt(path)?.isFile() !== true) return;
  if (attempt(`examine ${path}`, () => differing(path, launcher)) === undefined) return;
  yield { words: `make ${path} ${ownershipText(launcher)}`, run: () => own(path, launcher) };
}

/** Without a compiler: what is there stays, and where nothing is, root at least can send. */
function* fallback(site: Site, kind: LauncherKind): Steps {
  const path = join(site.home, "bin", queueProgram);
  if (kind === "launcher") yield* ownSteps(path);
  if (kind === "absent")
    yield {
      words: `link ${path} to ${executableName}, because there is no C compiler for the launcher`,
      run: () => placeName(join(site.home, "bin"), queueProgram),
    };
}

/** Static, where the machine has the libraries for it: then no loader runs with rights that its caller does not have. */
function compile(command: string, out: string): void {
  const words = ["-O2", "-Wall", "-Wextra", `-DPROGRAM="${launched}"`, "-o", out, source()];
  if (spawnSync(command, ["-static", ...words]).status === 0) return;
  const { status, stderr, error } = spawnSync(command, words, { encoding: "utf8" });
  if (error !== undefined || status !== 0)
    throw fail(`unable to compile the launcher with ${command}: ${error?.message ?? stderr.trim()}`);
}

function install(from: string, path: string): void {
  const fresh = join(dirname(path), `.${queueProgram}.tmp`);
  attempt(`install ${path}`, () => {
    rmSync(fresh, { force: true });
    copyFileSync(from, fresh, constants.COPYFILE_EXCL);
  });
  own(fresh, launcher);
  attempt(`install ${path}`, () => renameSync(fresh, path));
}
