/** `qmail explain`: where mail for an address goes, and why. */
import { explain } from "../../core/cli/explain/explain.ts";
import type { Explanation, Outcome } from "../../core/cli/explain/model.ts";
import { readSetting } from "../../core/cli/explain/setting.ts";
import { explanationLines } from "../../core/cli/explain/text.ts";
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { shown } from "../../core/cli/shown.ts";
import { colours, say, useHome } from "./say.ts";

const codes: Readonly<Record<Outcome, number>> = { delivered: 0, bounced: 100, deferred: 111 };

export const explainCommand: CommandRow = {
  usage: "explain <address...>",
  summary: "say where mail for each address goes, and why",
  group: "Looking:",
  options: [
    homeOption,
    ["--from <address>", "envelope sender of the message (default: anonymous@ME)"],
    ["--default <delivery>", "default delivery (default: the one that qmail-start has)"],
    ["--json", "one JSON object a line, for each address"],
  ],
  examples: ["qmail explain joe@example.org", "qmail explain --json ann-list@example.org postmaster"],
  run: explainAll,
};

async function explainAll(given: Given): Promise<number> {
  useHome(given);
  const bytesOf = (text: string | undefined) => text && Buffer.from(text).toString("latin1");
  const {
    setting,
    given: fallback,
    warnings,
  } = readSetting({
    sender: bytesOf(textOf(given, "from")),
    defaultDelivery: bytesOf(textOf(given, "default")),
  });
  const json = given.options.json === true;
  if (!json) for (const warning of warnings) say(`${colours.waiting("note")} ${warning}`);
  const explanations: Explanation[] = [];
  for (const address of given.names) {
    const explanation = await explain(bytesOf(address) ?? "", setting);
    explanations.push(explanation);
    if (json) say(JSON.stringify({ ...explanation, default: fallback, warnings }, readable));
    else for (const line of explanationLines(explanation, colours)) say(line);
  }
  return Math.max(0, ...explanations.map(({ outcome }) => codes[outcome]));
}

/** Texts of bytes as a person reads them. */
const readable = (_key: string, value: unknown): unknown =>
  typeof value === "string" ? shown(value).replaceAll("\\x0a", "\n") : value;
