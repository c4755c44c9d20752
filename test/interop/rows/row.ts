/** What a row of the table is: a program of somebody else, how it meets this project, and how that is tried. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { canCompile } from "../../helpers/launcher.ts";
import { canUnshare } from "../../helpers/namespace.ts";
import { placeOf, type Unpacked } from "../unpack.ts";
import type { World } from "./world.ts";

/** One way in which a program and this project meet. */
export interface Row {
  /** The Debian packages that it needs; the version of the first is shown. */
  packages: readonly [string, ...string[]];
  /** Its version, where the first is none of Debian's packages but something recorded, or a runtime. */
  version?: string;
  /** What meets what. */
  direction: string;
  /** Executables that have to be there, by name or path. */
  needs: readonly string[];
  /** The recipe in the manual that this row follows. */
  recipe?: { page: string; title: string };
  /** Tries it; throws if it is not as it should be. What it returns is shown. Absent where the group tries it outside. */
  check?: (world: World) => Promise<string>;
}

/** Rows that share a mail system. */
export interface Group {
  name: string;
  /** A package that would take the place of the machine's mail system: it is unpacked, and seen by this group only. */
  unpacked?: Unpacked;
  /** Tries a row that needs no machine of its own, but perhaps the network. */
  outside?: (row: Row) => Promise<string>;
  /** Prepares the system, after which the rows run in turn. */
  open?: (world: World) => Promise<void>;
  rows: readonly Row[];
}

const searched = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/** Why none of the rows can run here; undefined if they can. */
export function unable(): string | undefined {
  if (process.geteuid?.() !== 0) return "needs root";
  if (!canUnshare()) return "needs namespaces (unshare)";
  return canCompile() ? undefined : "needs gcc";
}

/** What a row lacks here; undefined if nothing. */
export function lacking(group: Group, row: Row): string | undefined {
  const roots = group.unpacked === undefined ? [""] : [placeOf(group.unpacked), ""];
  const isThere = (need: string) =>
    roots.some((root) =>
      need.startsWith("/")
        ? existsSync(root + need)
        : searched.some((directory) => existsSync(join(root + directory, need))),
    );
  const missing = row.needs.filter((need) => !isThere(need));
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")} (${row.packages.join(", ")})`;
}
