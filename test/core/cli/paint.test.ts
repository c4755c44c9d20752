/** Colours are for terminals, and only where they are welcome. */
import { expect, test } from "bun:test";
import { paint } from "../../../src/core/cli/paint.ts";

const rows: readonly (readonly [
  about: string,
  stream: object,
  environment: Record<string, string>,
  coloured: boolean,
])[] = [
  ["a terminal", { isTTY: true }, {}, true],
  ["a pipe", {}, {}, false],
  ["a pipe where colour is forced elsewhere", {}, { FORCE_COLOR: "1" }, false],
  ["NO_COLOR", { isTTY: true }, { NO_COLOR: "1" }, false],
  ["an empty NO_COLOR", { isTTY: true }, { NO_COLOR: "" }, true],
  ["a dumb terminal", { isTTY: true }, { TERM: "dumb" }, false],
];
for (const [about, stream, environment, coloured] of rows)
  test(`${about}: ${coloured ? "colours" : "no colours"}`, () => {
    expect(paint(stream, environment).good("x") !== "x").toBe(coloured);
  });
