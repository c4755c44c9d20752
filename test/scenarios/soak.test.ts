/** The quick form of soak.ts, and what it is shown with. */
import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { soak } from "./soak.ts";
import { Books, placesOf, textOf, wayOf } from "./soak-books.ts";
import { draw } from "./soak-picture.ts";
import { report } from "./soak-report.ts";

test("mail of all sorts, while processes are killed: all that was taken comes, and the books are right", async () => {
  const plan = { seconds: 12, rate: 15, seed: 3, killEvery: 1.5, every: 1, scratch: tmpdir() };
  const result = await soak(plan);
  expect(result.books.complaints(20)).toEqual([]);
  expect(result.left).toEqual([]);
  expect(result.books.promised).toBeGreaterThan(50);
  expect(result.kills.length).toBeGreaterThan(0);
  const lines = result.books.lines();
  expect(lines.reduce((sum, { kept }) => sum + kept, 0)).toBe(result.books.promised);
  const { picture, text } = report(result, "a machine", new Date(0));
  expect(text).toContain(
    `**Taken ${result.books.promised}, come to wherever they had to ${result.books.promised}, `,
  );
  expect(draw(picture)).toContain("Open descriptors");
});

describe("the books", () => {
  const number = 1;
  const way = wayOf(number);
  const [place = ""] = placesOf[way];
  /** Message 1, taken at 1000. */
  const taken = (): Books => {
    const books = new Books();
    books.answer(books.send(1000), "taken");
    return books;
  };
  const line = (books: Books) => books.lines().find((line) => line.way === way);

  test("what did not come is lost", () => {
    expect(line(taken())).toMatchObject({ promised: 1, kept: 0, lost: 1 });
  });

  test("a copy more is right only where a kill fell on its way", () => {
    for (const [kill, counts] of [
      [1500, { doubled: 1, wrong: 0 }],
      [900, { doubled: 0, wrong: 1 }],
    ] as const) {
      const books = taken();
      books.kill(kill);
      for (const now of [1100, 2000]) books.arrive(place, textOf(number), now, "here");
      expect(line(books)).toMatchObject({ kept: 1, lost: 0, ...counts });
    }
  });

  test("what ends seconds after a kill counts as the kill, long after it not", () => {
    for (const [end, counts] of [
      [1500, { doubled: 1, wrong: 0 }],
      [100_000, { doubled: 0, wrong: 1 }],
    ] as const) {
      const books = taken();
      books.kill(900);
      books.end(end);
      for (const now of [1100, end + 1]) books.arrive(place, textOf(number), now, "here");
      expect(line(books)).toMatchObject({ kept: 1, lost: 0, ...counts });
    }
  });

  test("a copy at another place is wrong", () => {
    const books = taken();
    books.arrive("bob", textOf(number), 1100, "here");
    expect(line(books)).toMatchObject({ kept: 0, lost: 1, wrong: 1 });
  });

  test("one that lacks its last byte is torn", () => {
    const books = taken();
    books.arrive(place, textOf(number).slice(0, -1), 1100, "here");
    expect(books.torn).toEqual(["here"]);
  });
});
