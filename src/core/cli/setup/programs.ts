/**
 * The programs in bin: one executable, and a symbolic link to it for every name, so that one rename upgrades them all.
 * Programs of another qmail stay, unless they are to be replaced.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { programs } from "../../../programs.ts";
import { executables } from "../executables.ts";
import { attempt, refuse } from "../trouble.ts";
import { keepAside } from "./aside.ts";
import { differing, lookAt, own, type Site, type Steps } from "./step.ts";
import { executable, executableName, ownershipText } from "./tree.ts";

/** The program that has a native one in its place; see launcher.ts. */
export const queueProgram = "qmail-queue";

/** The compiled executable that this process is, or that was built from this source tree. Refused (100) where there is none. */
export function builtExecutable(): string {
  const path = join(executables(), executableName);
  if (lookAt(path) === undefined)
    throw refuse(`${path} is not there: compile the programs first, with npm run build`);
  return path;
}

type Kind = "absent" | "ours" | "foreign";

/** What bin has under a program's name: ours are links to the executable, or, made by hand, other names of it. */
export function kindOf(site: Site, name: string): Kind {
  const path = join(site.home, "bin", name);
  const found = lookAt(path);
  if (found === undefined) return "absent";
  if (found.isSymbolicLink())
    return attempt(`read link ${path}`, () => readlinkSync(path)) === executableName ? "ours" : "foreign";
  const main = lookAt(join(site.home, "bin", executableName));
  return main !== undefined && main.ino === found.ino && main.dev === found.dev ? "ours" : "foreign";
}

/** Names in bin that belong to another qmail, without qmail-queue. */
export function foreignPrograms(site: Site): string[] {
  return programs
    .map(({ name }) => name)
    .filter((name) => name !== queueProgram && kindOf(site, name) === "foreign");
}

/** The executable and the links. Names that were hard links become symbolic ones before the executable is exchanged. */
export function* programSteps(site: Site, replace: boolean): Steps {
  const bin = join(site.home, "bin");
  const names = programs.map(({ name }) => name).filter((name) => name !== queueProgram);
  const outdated = names.filter((name) => kindOf(site, name) === "ours" && !isLink(join(bin, name)));
  if (outdated.length > 0)
    yield {
      words: `turn ${outdated.length} names in ${bin} into links to ${executableName}`,
      run: () => placeNames(bin, outdated),
    };
  yield* executableSteps(bin);
  if (replace) yield* replacementSteps(site);
  const absent = names.filter((name) => kindOf(site, name) === "absent");
  if (absent.length > 0)
    yield {
      words: `link ${absent.length} programs in ${bin} to ${executableName}`,
      run: () => placeNames(bin, absent),
    };
}

function* replacementSteps(site: Site): Steps {
  for (const name of foreignPrograms(site))
    yield {
      words: `replace ${site.home}/bin/${name} of another qmail, and keep it in ${site.home}/before/bin`,
      run: () => {
        keepAside(site, `bin/${name}`);
        placeName(join(site.home, "bin"), name);
      },
    };
}

const isLink = (path: string): boolean => lookAt(path)?.isSymbolicLink() === true;

function placeNames(bin: string, names: readonly string[]): void {
  for (const name of names) placeName(bin, name);
}

/** Gives a program its name, in the place of whatever has it. */
export function placeName(bin: string, name: string): void {
  const fresh = join(bin, `.${name}.tmp`);
  attempt(`link ${bin}/${name} to ${executableName}`, () => {
    rmSync(fresh, { force: true });
    symlinkSync(executableName, fresh);
    renameSync(fresh, join(bin, name));
  });
}

function* executableSteps(bin: string): Steps {
  const source = builtExecutable();
  const target = join(bin, executableName);
  if (!isSame(source, target))
    yield {
      words: `copy ${source} to ${target} (${ownershipText(executable)})`,
      run: () => installFile(source, target),
    };
  else if (attempt(`examine ${target}`, () => differing(target, executable)) !== undefined)
    yield { words: `make ${target} ${ownershipText(executable)}`, run: () => own(target, executable) };
}

/** Whether two files have the same content. */
function isSame(source: string, target: string): boolean {
  if (lookAt(target)?.isFile() !== true) return false;
  return attempt(`compare ${source} with ${target}`, () => {
    const [a, b] = [statSync(source), statSync(target)];
    if (a.ino === b.ino && a.dev === b.dev) return true;
    return a.size === b.size && readFileSync(source).equals(readFileSync(target));
  });
}

/** Copies an executable durably, and moves it into its place complete, with its owner. */
function installFile(source: string, target: string): void {
  const fresh = `${target}.tmp`;
  attempt(`copy ${source} to ${target}`, () => {
    rmSync(fresh, { force: true });
    copyFileSync(source, fresh, constants.COPYFILE_FICLONE);
  });
  own(fresh, executable);
  attempt(`copy ${source} to ${target}`, () => {
    const fd = openSync(fresh, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, target);
  });
}
