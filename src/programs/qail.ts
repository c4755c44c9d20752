/** qail(1): reads new mail with Mail. */
import { readWith } from "../core/maildir/read-with.ts";

export function main(args: Buffer[]): Promise<number> {
  return readWith("qail", "Mail", args);
}
