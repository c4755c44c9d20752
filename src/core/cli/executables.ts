/** Where the programs of this build are: beside the compiled executable that runs now, or in the source tree. */
import { existsSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";

const embedded = "/$bunfs/";

/**
 * The directory with an executable per program. Run from source that is dist/bin, or, as long as nothing is built,
 * bin with its launchers.
 */
export function executables(): string {
  const here = import.meta.dirname;
  if (here.startsWith(embedded)) return dirname(realpathSync(process.execPath));
  const root = resolve(here, "../../..");
  const built = resolve(root, "dist/bin");
  return existsSync(built) ? built : resolve(root, "bin");
}
