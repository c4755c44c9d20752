/** `qmail status`: what a mail system is doing. */
import { homeLog } from "../../core/cli/log/source.ts";
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { shown } from "../../core/cli/shown.ts";
import { LiveLog, readState } from "../../core/cli/status/state.ts";
import { stateLines } from "../../core/cli/status/text.ts";
import { colours, say, useHome, widthOfOutput } from "./say.ts";

const rows = 15;

export const statusCommand: CommandRow = {
  usage: "status",
  summary: "what waits in the queue, how fast it goes, and which processes are there",
  group: "Looking:",
  options: [
    homeOption,
    ["--log <file>", "log for the rates (default: the home's, if there is one)"],
    ["--json", "one JSON object"],
  ],
  examples: ["qmail status", "qmail status --json --log /var/log/qmail/current"],
  run: show,
};

function show(given: Given): number {
  useHome(given);
  const path = textOf(given, "log") ?? homeLog()?.at(-1);
  const log = path === undefined ? undefined : new LiveLog(path);
  log?.read();
  log?.close();
  const state = readState(Date.now() / 1000, rows, log);
  if (given.options.json === true)
    say(JSON.stringify(state, (_, value) => (typeof value === "string" ? shown(value) : value)));
  else for (const line of stateLines(state, colours, widthOfOutput())) say(line);
  return 0;
}
