/** pinq(1): reads new mail with pine. */
import { readWith } from "../core/maildir/read-with.ts";

export function main(args: Buffer[]): Promise<number> {
  return readWith("pinq", "pine", args);
}
