/** Every recipe in the manual is run by a row of the table, and every program of the table has a recipe. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { commandsOf, recipesOf } from "../helpers/guide.ts";
import { groups } from "./groups.ts";

const rows = groups.flatMap((group) => group.rows);
const followed = rows.flatMap(({ recipe }) => (recipe === undefined ? [] : [recipe]));
const pages = [...new Set(followed.map(({ page }) => page))].sort();
const found = pages.flatMap((page) => [...recipesOf(page).keys()].map((title) => `${page} ${title}`));

test("every recipe is a row, and every row of a recipe has one", () => {
  expect(followed.map(({ page, title }) => `${page} ${title}`).sort()).toEqual(found.sort());
});

test("every command of these pages stands in a recipe", () => {
  for (const page of pages) expect([...recipesOf(page).values()].flat()).toEqual(commandsOf(page));
});

test("every program of the table has a recipe", () => {
  const has = new Set(rows.filter(({ recipe }) => recipe !== undefined).map(({ packages }) => packages[0]));
  /** Where else the manual says how. */
  const elsewhere: Readonly<Record<string, string>> = {
    "dovecot-pop3d": "guide-readers.7",
    notqmail: "guide-replace-qmail.7",
    nodejs: "qmail-api.7",
    "inetutils-telnet": "guide-pop3.7",
  };
  const guides = readdirSync(join(import.meta.dir, "../../man"));
  expect(Object.values(elsewhere).filter((page) => !guides.includes(page))).toEqual([]);
  const lacking = rows
    .map(({ packages }) => packages[0])
    .filter((name) => !has.has(name) && !(name in elsewhere));
  expect([...new Set(lacking)]).toEqual([]);
});
