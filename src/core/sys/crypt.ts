/** Passwords of the system's accounts, checked as login(1) does: shadow(5) and crypt(3). */

import { CString, dlopen, FFIType, ptr } from "bun:ffi";
import { timingSafeEqual } from "node:crypto";
import { zeroTerminated } from "./libc.ts";
import { shadowByName } from "./passwd.ts";

const day = 86_400_000;

function open() {
  return dlopen("libcrypt.so.1", { crypt: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr } })
    .symbols;
}

/** Whether an account has this password. Locked and expired accounts, and those without a password, have none. */
export function isSystemPassword(name: Uint8Array, password: Uint8Array): boolean {
  const entry = shadowByName(name);
  if (entry === undefined || entry.hash.length === 0) return false;
  if (entry.expires >= 0 && entry.expires * day <= Date.now()) return false;
  const found = crypt(password, entry.hash);
  return found.length === entry.hash.length && timingSafeEqual(found, entry.hash);
}

/** The hash of a password, made as `setting` was; empty for a setting that libcrypt does not know. */
function crypt(password: Uint8Array, setting: Uint8Array): Buffer {
  const [key, salt] = [zeroTerminated(password), zeroTerminated(setting)];
  const result = open().crypt(ptr(key), ptr(salt));
  key.fill(0);
  const hash = result === null ? "" : new CString(result).toString();
  return hash.startsWith("*") ? Buffer.alloc(0) : Buffer.from(hash);
}
