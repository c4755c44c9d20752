/** `qmail import postfix`: from the files of a Postfix to those of a home. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isSystemError } from "../exit.ts";
import { ownerOf } from "../users/getpw.ts";
import { mustBecome, runAs } from "./as.ts";
import { homeIn } from "./assignments.ts";
import { homePath } from "./home.ts";
import { carryOut, planOf, type Step } from "./import-files.ts";
import { importPostfix } from "./import-postfix.ts";
import { type DotFile, dotFileOf } from "./import-postfix-addresses.ts";
import { readIfThere } from "./place.ts";
import { attempt, fail, refuse } from "./trouble.ts";

/** What the command line said. */
export interface ImportOptions {
  home: string;
  /** The directory of main.cf. */
  postfix: string;
  /** The alias file, in place of those in main.cf. */
  aliases?: string | undefined;
  dryRun: boolean;
  force: boolean;
}

/** What was done, or would be; `missing` could not be translated, `remarks` are not quite the same. */
export interface Imported {
  home: string;
  plan: Step[];
  missing: string[];
  remarks: string[];
}

/** Where Postfix is told that its files are, whatever directory they are read from. */
const standardDirectory = "/etc/postfix";

/** Translates, and writes what is not there yet unless it is a dry run. `delegated`: the home's owner did it. */
export async function importFromPostfix(options: ImportOptions): Promise<{ delegated: number } | Imported> {
  const home = homePath(options.home);
  const host = readIfThere(join(home, "control/me"))?.split("\n")[0]?.trim().toLowerCase() ?? "";
  if (host === "")
    throw refuse(`${home} is no qmail home: it has no control/me that begins with a host name`);
  const assign = readIfThere(join(home, "users/assign")) ?? "";
  const isPrivate = homeIn(assign) === home;
  const owner = isPrivate && !options.dryRun ? mustBecome(home) : undefined;
  if (owner !== undefined) return { delegated: await runAs(owner, home, wordsFor(options, home)) };
  const aliases = options.aliases && resolve(options.aliases);
  const read = reader(resolve(options.postfix), aliases);
  if (read(`${standardDirectory}/main.cf`) === undefined)
    throw refuse(`there is no ${join(options.postfix, "main.cf")}`);
  const { files, missing, remarks } = importPostfix({
    read,
    directory: standardDirectory,
    aliases,
    home,
    host,
    dotFile: (local) => dotFile(home, local, assign),
  });
  const plan = planOf(files, { home, host, assign, force: options.force });
  if (!options.dryRun) carryOut(plan);
  return { home, plan, missing, remarks };
}

/** The same command line, for the process of the home's owner. */
function wordsFor({ postfix, aliases, force }: ImportOptions, home: string): string[] {
  const others = [
    ...(aliases === undefined ? [] : ["--aliases", resolve(aliases)]),
    ...(force ? ["--force"] : []),
  ];
  return ["import", "postfix", "--home", home, "--postfix", resolve(postfix), ...others];
}

/**
 * Reads files by the names that Postfix has for them. Those in its own directory are read from `directory`; if that is
 * an `etc/postfix` somewhere, as in a copy of a machine, everything else is read from beside it, too.
 */
function reader(directory: string, aliases: string | undefined): (path: string) => string | undefined {
  const root = directory.endsWith(standardDirectory) ? directory.slice(0, -standardDirectory.length) : "";
  return (path) => {
    // What was named on the command line is where it was said to be.
    if (path === aliases) return textOf(path);
    const isOwn = path.startsWith(`${standardDirectory}/`);
    return textOf(isOwn ? directory + path.slice(standardDirectory.length) : root + path);
  };
}

/** The text of a file, one character a byte; undefined where there is none. */
function textOf(path: string): string | undefined {
  return attempt(`read ${path}`, () => {
    try {
      return readFileSync(path, "latin1");
    } catch (failure) {
      if (isSystemError(failure) && ["ENOENT", "ENOTDIR"].includes(failure.code)) return undefined;
      throw failure;
    }
  });
}

function dotFile(home: string, local: string, assign: string): DotFile | undefined {
  return dotFileOf(local, assign, (name) => {
    const found = attempt("look up accounts", () => ownerOf(Buffer.from(name, "latin1")));
    if (found === undefined)
      throw fail(`there is no user "alias" on this machine, and no users/assign in ${home}`);
    const { account, dash, extension } = found;
    return { directory: account.home.toString("latin1"), dash, extension: extension.toString("latin1") };
  });
}
