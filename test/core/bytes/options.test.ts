import { expect, test } from "bun:test";
import { Options } from "../../../src/core/bytes/options.ts";
import { Exit } from "../../../src/core/exit.ts";

function parse(words: string[], letters: string, usage?: string): string {
  const options = new Options(
    words.map((word) => Buffer.from(word)),
    { program: "p", letters, ...(usage === undefined ? {} : { usage }) },
  );
  const found = [...options].map(({ letter, argument }) => `${letter}${argument}`);
  return `${found.join(" ")} | ${options.rest.join(" ")}`;
}

const rows: readonly (readonly [string, string[], string, string])[] = [
  ["nothing", [], "ab", " | "],
  ["a group", ["-ab", "x"], "ab", "a b | x"],
  ["argument behind the letter", ["-fx", "y"], "f:", "fx | y"],
  ["argument in the next word", ["-f", "x", "y"], "f:", "fx | y"],
  ["an empty argument", ["-f", "", "y"], "f:", "f | y"],
  ["an argument that looks like an option", ["-f", "-a"], "af:", "f-a | "],
  ["letter, then letter with argument", ["-afx", "-a"], "af:", "a fx a | "],
  ["-- ends", ["-a", "--", "-b"], "ab", "a | -b"],
  ["- is a word", ["-a", "-", "-b"], "ab", "a | - -b"],
  ["an empty word ends", ["", "-a"], "a", " |  -a"],
  ["not permuted", ["x", "-a"], "a", " | x -a"],
];
for (const [about, words, letters, expected] of rows) {
  test(about, () => {
    expect(parse(words, letters)).toBe(expected);
  });
}

const wrong: readonly (readonly [string[], string])[] = [
  [["-z"], "p: illegal option -- z\nusage\n"],
  [["-a:"], "p: illegal option -- :\nusage\n"],
  [["-af"], "p: option requires an argument -- f\nusage\n"],
];
for (const [words, text] of wrong) {
  test(`${words} is refused`, () => {
    try {
      parse(words, "af:", "usage\n");
      expect.unreachable();
    } catch (failure) {
      expect(failure).toBeInstanceOf(Exit);
      expect((failure as Exit).text).toBe(text);
      expect((failure as Exit).code).toBe(100);
    }
  });
}

test("skipGroup forgets the rest of a group", () => {
  const options = new Options([Buffer.from("-Exyz"), Buffer.from("-a")], { program: "p", letters: "Ea" });
  const letters: string[] = [];
  for (const { letter } of options) {
    letters.push(letter);
    if (letter === "E") options.skipGroup();
  }
  expect(letters).toEqual(["E", "a"]);
});
