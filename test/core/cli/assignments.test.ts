/** Changing users/assign without losing what an administrator wrote. */
import { expect, test } from "bun:test";
import {
  freshAssign,
  homeIn,
  idsIn,
  isAssigned,
  isUserName,
  movedTo,
  usersIn,
  withFirst,
  withoutUser,
  withUser,
} from "../../../src/core/cli/assignments.ts";

const place = { home: "/h", uid: 7, gid: 8 };
const alias = "=alias:alias:7:8:/h/alias:::\n+:alias:7:8:/h/alias:-::\n.\n";
const ann = "=ann:ann:7:8:/h/mail/ann:::\n+ann-:ann:7:8:/h/mail/ann:-::\n";
const bob = ann.replaceAll("ann", "bob");
const byHand = "+list-:joe:1:2:/home/joe:-list:-:\n";

test("a new file has the alias user and the catch-all", () => {
  expect(freshAssign(place)).toBe(alias);
});

test("users go in front of the alias user, in order", () => {
  const text = withUser(withUser(freshAssign(place), "ann", place), "bob", place);
  expect(text).toBe(ann + bob + alias);
  expect(usersIn(text, "/h")).toEqual(["ann", "bob"]);
});

test("the owner goes in front of everybody", () => {
  expect(withFirst(bob + alias, "ann", place)).toBe(ann + bob + alias);
});

test("a user is taken out, and nobody else", () => {
  expect(withoutUser(`${ann}${byHand}${bob}${alias}`, "ann", "/h")).toBe(`${byHand}${bob}${alias}`);
  const elsewhere = "=ann:ann:1:2:/home/ann:::\n";
  expect(withoutUser(elsewhere + alias, "ann", "/h")).toBe(elsewhere + alias);
});

test("what stands after the end, or leads elsewhere, is no mail user", () => {
  expect(usersIn(`=joe:joe:1:2:/home/joe:::\n${alias}${ann}`, "/h")).toEqual([]);
  expect(isAssigned("=Joe:joe:1:2:/home/joe:::\n", "joe")).toBe(true);
  expect(isAssigned("+joe:joe:1:2:/home/joe:::\n", "joe")).toBe(false);
});

test("a file without its end gets the user in front", () => {
  expect(withUser("", "ann", place)).toBe(ann);
});

const names: readonly (readonly [string, boolean])[] = [
  ["ann", true],
  ["joe.shmoe", true],
  ["a+b=c-d_e", true],
  ["9to5", true],
  ["a".repeat(64), true],
  ["a".repeat(65), false],
  ["", false],
  [".ann", false],
  ["-f", false],
  ["a/b", false],
  ["a:b", false],
  ["a@b", false],
  ["a b", false],
  ["a\nb", false],
  ["Ann", false],
];
for (const [name, fine] of names)
  test(`${JSON.stringify(name).slice(0, 20)} ${fine ? "can" : "can not"} be a mail user`, () => {
    expect(isUserName(name)).toBe(fine);
  });

test("the file follows the home and its owner, and other lines stay", () => {
  const to = { home: "/elsewhere/x", uid: 70, gid: 80 };
  const moved = movedTo(`${ann}${byHand}=x:x:7:8:/hx:::\n${alias}`, place, to);
  expect(moved.split("\n")).toEqual([
    "=ann:ann:70:80:/elsewhere/x/mail/ann:::",
    "+ann-:ann:70:80:/elsewhere/x/mail/ann:-::",
    "+list-:joe:1:2:/home/joe:-list:-:",
    "=x:x:70:80:/hx:::",
    "=alias:alias:70:80:/elsewhere/x/alias:::",
    "+:alias:70:80:/elsewhere/x/alias:-::",
    ".",
    "",
  ]);
  expect(homeIn(moved)).toBe("/elsewhere/x");
  expect(idsIn(moved)).toEqual({ uid: 70, gid: 80 });
});
