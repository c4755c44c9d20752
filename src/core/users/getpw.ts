/** Which account an address belongs to, where users/cdb does not say: the rules of qmail-getpw(8). */
import { statSync } from "node:fs";
import { bytes, lowerCase } from "../bytes/text.ts";
import { isSystemError } from "../exit.ts";
import { mayPass } from "../sys/errors.ts";
import { type Account, accountByName } from "../sys/passwd.ts";

/** Who controls an address, and the .qmail file that does: home/.qmail`dash``extension`. */
export interface Owner {
  account: Account;
  dash: string;
  extension: Buffer;
}

/** The account that gets what no user has. */
const catchAll = "alias";

/** Between user and extension. */
const hyphen = 45;

/** Account names are shorter than this. */
const nameLimit = 32;

/** A home that can not be looked at now. */
export class HomeTrouble extends Error {}

/**
 * The user whose name, followed by nothing or by a hyphen, begins the address: the longest such name. Otherwise the
 * catch-all; undefined if there is none. Throws HomeTrouble, or a system error of the source of accounts.
 */
export function ownerOf(local: Buffer): Owner | undefined {
  for (let end = local.length; end >= 0; end--) {
    if (end >= nameLimit || (end < local.length && local[end] !== hyphen)) continue;
    const account = accountByName(lowerCase(local.subarray(0, end)));
    if (account === undefined || !isUser(account)) continue;
    return { account, dash: end < local.length ? "-" : "", extension: local.subarray(end + 1) };
  }
  const account = accountByName(bytes(catchAll));
  return account && { account, dash: "-", extension: local };
}

/** An account is a user if it is not root's and owns its home. */
function isUser({ uid, home }: Account): boolean {
  if (uid === 0) return false;
  try {
    return statSync(home).uid === uid;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    if (mayPass(failure.code)) throw new HomeTrouble(failure.message);
    return false;
  }
}
