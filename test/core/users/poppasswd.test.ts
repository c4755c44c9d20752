/** users/poppasswd: hashes that fit their password only, and lines that stay as they are. */
import { expect, test } from "bun:test";
import { hashPassword, isPassword, withPassword } from "../../../src/core/users/poppasswd.ts";

test("a hash fits its password and no other, and no two are the same", () => {
  const password = Buffer.from("s\xe9cret: \xff", "latin1");
  const hash = hashPassword(password);
  expect(hash).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(isPassword(password, hash)).toBe(true);
  expect(isPassword(Buffer.from("secret"), hash)).toBe(false);
  expect(hashPassword(password)).not.toBe(hash);
});

test("a hash made elsewhere, with other costs, is checked as well (RFC 7914, 12)", () => {
  const hash = Buffer.from("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162", "hex");
  const [salt, tag] = [Buffer.from("NaCl"), hash].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
  // The vector has 64 bytes; of fewer the last step of scrypt makes the same.
  expect(isPassword(Buffer.from("password"), `$scrypt$ln=10,r=8,p=16$${salt}$${tag}`)).toBe(true);
});

for (const stored of [
  "",
  "*",
  "secret",
  "$scrypt$ln=99,r=99,p=99$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "$scrypt$ln=0,r=0,p=0$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "$scrypt$ln=15,r=8,p=1$c2FsdA$AAAA",
]) {
  test(`${JSON.stringify(stored)} is nobody's hash`, () => {
    expect(isPassword(Buffer.from("secret"), stored)).toBe(false);
  });
}

const rows: readonly (readonly [string, string, string | undefined, string])[] = [
  ["", "joe", "h", "joe:h\n"],
  ["ann:1\njoe:2\n", "joe", "h", "ann:1\njoe:h\n"],
  ["ann:1\njoe:2\njo:3", "joe", undefined, "ann:1\njo:3\n"],
  ["ann:1\n", "joe", undefined, "ann:1\n"],
];
for (const [before, name, hash, after] of rows) {
  test(`${JSON.stringify(before)} with ${hash ?? "no hash"} for ${name}`, () => {
    expect(withPassword(before, name, hash)).toBe(after);
  });
}
