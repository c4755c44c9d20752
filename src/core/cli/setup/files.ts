/** What belongs to the programs: the manual, the launcher's source, and the templates to start everything. */
import { lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { executables } from "../executables.ts";
import { replaceFile } from "../place.ts";
import { attempt } from "../trouble.ts";
import { keepAside } from "./aside.ts";
import { lookAt, type Site, type Steps } from "./step.ts";

/** Directories beside the programs, in what was built and in the home: manual, source of the launcher, templates. */
const parts = ["man", "native", "service"];

/** Stands in every page of our manual. */
const mark = ".Os qmail-ts\n";

interface File {
  /** Relative to the home. */
  path: string;
  content: string;
  mode: number;
}

/** A step for each part that lacks files or has other ones. Pages of another qmail stay, unless they are to be replaced. */
export function* fileSteps(site: Site, replace: boolean): Steps {
  const source = dirname(executables());
  for (const part of parts) {
    const files = filesBelow(source, part).filter((file) => !isThere(site, file));
    const wanted = files.filter((file) => replace || !isForeignPage(site, file.path));
    if (wanted.length === 0) continue;
    yield {
      words: `write ${wanted.length === 1 ? "1 file" : `${wanted.length} files`} to ${site.home}/${part}`,
      run: () => {
        for (const file of wanted) place(site, file);
      },
    };
  }
}

function place(site: Site, { path, content, mode }: File): void {
  const target = join(site.home, path);
  attempt(`make directory ${dirname(target)}`, () => mkdirSync(dirname(target), { recursive: true }));
  if (isForeignPage(site, path)) keepAside(site, path);
  replaceFile(target, content, mode);
}

function isThere(site: Site, { path, content, mode }: File): boolean {
  const target = join(site.home, path);
  const found = lookAt(target);
  return found?.isFile() === true && (found.mode & 0o777) === mode && read(target) === content;
}

/** Whether a page of the manual is there that is not ours. */
function isForeignPage(site: Site, path: string): boolean {
  const target = join(site.home, path);
  return path.startsWith("man/") && lookAt(target)?.isFile() === true && !read(target).includes(mark);
}

const read = (path: string): string => attempt(`read ${path}`, () => readFileSync(path, "utf8"));

function filesBelow(root: string, path: string): File[] {
  const directory = join(root, path);
  if (lookAt(directory) === undefined) return [];
  return attempt(`read directory ${directory}`, () => readdirSync(directory).sort()).flatMap((name) => {
    const inner = join(path, name);
    const found = lstatSync(join(root, inner));
    if (found.isDirectory()) return filesBelow(root, inner);
    return [
      { path: inner, content: read(join(root, inner)), mode: (found.mode & 0o100) !== 0 ? 0o755 : 0o644 },
    ];
  });
}
