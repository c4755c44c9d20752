/** elq(1): reads new mail with elm. */
import { readWith } from "../core/maildir/read-with.ts";

export function main(args: Buffer[]): Promise<number> {
  return readWith("elq", "elm", args);
}
