/** Putting imported files into a home: what is there and says something else stays, unless it is to be overwritten. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bytes } from "../bytes/text.ts";
import { syncDirectory } from "../sys/durable.ts";
import { usersIn } from "./assignments.ts";
import { controlFiles } from "./host.ts";
import { aliasFiles } from "./mend.ts";
import { look, replaceFile } from "./place.ts";
import { attempt } from "./trouble.ts";

/** What happens to a file: it is new, is there already, stands in place of another one, or is not written. */
export type Fate = "new" | "same" | "replaced" | "kept";

/** A file, and what becomes of it. Contents are byte strings. */
export interface Step {
  path: string;
  content: string;
  fate: Fate;
}

/** What becomes of each file. Files as `qmail init` makes them count for nothing that somebody wanted to say. */
export function planOf(
  files: ReadonlyMap<string, string>,
  { home, host, assign, force }: { home: string; host: string; assign: string; force: boolean },
): Step[] {
  const initial = initialFiles(home, host, assign);
  return [...files].map(([path, content]) => {
    const before = contentOf(path);
    if (before === undefined) return { path, content, fate: "new" };
    if (before === content) return { path, content, fate: "same" };
    return { path, content, fate: force || initial.get(path) === before ? "replaced" : "kept" };
  });
}

/** Writes what is to be written, each file whole and durable. Order matters: a domain comes after its addresses. */
export function carryOut(plan: readonly Step[]): void {
  process.umask(0o022);
  const written = plan.filter(({ fate }) => fate === "new" || fate === "replaced");
  for (const { path, content } of written) replaceFile(path, bytes(content));
  for (const directory of new Set(written.map(({ path }) => dirname(path))))
    attempt(`sync ${directory}`, () => syncDirectory(directory));
}

function initialFiles(home: string, host: string, assign: string): Map<string, string> {
  const [owner] = usersIn(assign, home);
  const { me: _, ...control } = controlFiles(host);
  const alias = owner === undefined ? {} : aliasFiles(owner);
  return new Map([
    ...Object.entries(control).map(([name, text]) => [join(home, "control", name), text] as const),
    ...Object.entries(alias).map(([name, text]) => [join(home, "alias", name), text] as const),
  ]);
}

function contentOf(path: string): string | undefined {
  if (look(path) === undefined) return undefined;
  return attempt(`read ${path}`, () => readFileSync(path, "latin1"));
}
