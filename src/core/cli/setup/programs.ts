/**
 * The programs in bin: one executable, and a hard link to it for every name. Programs of another qmail stay, unless they
 * are to be replaced.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
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

/** The executable while it takes over name after name from the one before. */
const successor = `.${executableName}.new`;

/** What bin has under a program's name. Ours are names of the executable, or of its successor. */
export function kindOf(site: Site, name: string): Kind {
  const bin = join(site.home, "bin");
  const found = lookAt(join(bin, name));
  if (found === undefined) return "absent";
  return [executableName, successor].some((main) => isSameFile(found, lookAt(join(bin, main))))
    ? "ours"
    : "foreign";
}

interface Identity {
  ino: number;
  dev: number;
}

const isSameFile = (a: Identity | undefined, b: Identity | undefined): boolean =>
  a !== undefined && a.ino === b?.ino && a.dev === b.dev;

/** Names in bin that belong to another qmail, without qmail-queue. */
export function foreignPrograms(site: Site): string[] {
  return programs
    .map(({ name }) => name)
    .filter((name) => name !== queueProgram && kindOf(site, name) === "foreign");
}

/** The executable and its names: hard links, by which it knows who it is under any argument 0. */
export function* programSteps(site: Site, replace: boolean): Steps {
  const bin = join(site.home, "bin");
  yield* executableSteps(site, bin);
  if (replace) yield* replacementSteps(site);
  const names = programs.map(({ name }) => name);
  const absent = names.filter((name) => name !== queueProgram && kindOf(site, name) === "absent");
  if (absent.length > 0)
    yield {
      words: `link ${absent.length} programs in ${bin} to ${executableName}`,
      run: () => {
        for (const name of absent) placeName(bin, name);
      },
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

/** Gives a program its name, in the place of whatever has it. */
export function placeName(bin: string, name: string, main = executableName): void {
  const fresh = join(bin, `.${name}.tmp`);
  attempt(`link ${bin}/${name} to ${main}`, () => {
    rmSync(fresh, { force: true });
    linkSync(join(bin, main), fresh);
    renameSync(fresh, join(bin, name));
  });
}

function* executableSteps(site: Site, bin: string): Steps {
  const source = builtExecutable();
  const target = join(bin, executableName);
  if (lookAt(join(bin, successor)) !== undefined)
    yield { words: `finish an interrupted upgrade of ${target}`, run: () => succeed(site, bin) };
  if (!isSame(source, target))
    yield {
      words: `copy ${source} to ${target} (${ownershipText(executable)})`,
      run: () => {
        installFile(source, join(bin, successor));
        succeed(site, bin);
      },
    };
  else if (attempt(`examine ${target}`, () => differing(target, executable)) !== undefined)
    yield { words: `make ${target} ${ownershipText(executable)}`, run: () => own(target, executable) };
}

/** Moves every name from the executable to its successor, and last of all its own. */
function succeed(site: Site, bin: string): void {
  const next = lookAt(join(bin, successor));
  for (const { name } of programs)
    if (kindOf(site, name) === "ours" && !isSameFile(lookAt(join(bin, name)), next))
      placeName(bin, name, successor);
  attempt(`rename ${bin}/${successor}`, () => {
    // Renaming one name of a file to another name of it would leave both.
    if (isSameFile(next, lookAt(join(bin, executableName)))) rmSync(join(bin, successor));
    else renameSync(join(bin, successor), join(bin, executableName));
  });
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
