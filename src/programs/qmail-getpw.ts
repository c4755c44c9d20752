/** qmail-getpw(8): tells which account controls an address. */
import { lspawnCode } from "../core/delivery/codes.ts";
import { isSystemError } from "../core/exit.ts";
import { writeAll } from "../core/sys/fd.ts";
import { HomeTrouble, type Owner, ownerOf } from "../core/users/getpw.ts";

const usage = 100;

/** Exits without a word on trouble: the code goes to qmail-lspawn, which has the words. */
export function main([local]: Buffer[]): number {
  if (local === undefined) return usage;
  try {
    const owner = ownerOf(local);
    if (owner === undefined) return lspawnCode.noAlias;
    writeAll(1, record(owner));
    return 0;
  } catch (failure) {
    if (failure instanceof HomeTrouble) return lspawnCode.nfs;
    if (isSystemError(failure)) return lspawnCode.system;
    throw failure;
  }
}

/** user, uid, gid, home, dash and extension, each with a NUL behind it. */
function record({ account, dash, extension }: Owner): Buffer {
  const fields = [account.name, `${account.uid}`, `${account.gid}`, account.home, dash, extension];
  return Buffer.concat(fields.flatMap((field) => [Buffer.from(field), Buffer.of(0)]));
}
