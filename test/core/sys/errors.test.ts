/** The words of the reference for errnos, and which of them may pass. */
import { expect, test } from "bun:test";
import { errorName, errorText, mayPass } from "../../../src/core/sys/errors.ts";

const rows: readonly (readonly [number, string, string, boolean])[] = [
  [2, "ENOENT", "file does not exist", false],
  [-2, "ENOENT", "file does not exist", false],
  [11, "EAGAIN", "temporary failure", true],
  [13, "EACCES", "access denied", false],
  [17, "EEXIST", "file already exists", false],
  [20, "ENOTDIR", "not a directory", false],
  [28, "ENOSPC", "out of disk space", true],
  [111, "ECONNREFUSED", "connection refused", true],
  [95, "ENOTSUP", "operation not supported", false],
  [9999, "E9999", "unknown error", false],
];
for (const [number, name, words, passing] of rows) {
  test(`errno ${number} is ${name}: ${words}`, () => {
    expect(errorName(number)).toBe(name);
    expect(errorText(number)).toBe(words);
    expect(errorText(name)).toBe(words);
    expect(mayPass(name)).toBe(passing);
  });
}
