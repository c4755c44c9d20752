/** Looking into a cdb file. */
import { CdbFile } from "../../src/core/control/cdbfile.ts";

/** The data of a key in a cdb file; undefined without such a key. */
export function cdbLookUp(path: string, key: Uint8Array): Buffer | undefined {
  const file = new CdbFile(path);
  try {
    return file.find(key);
  } finally {
    file.close();
  }
}
