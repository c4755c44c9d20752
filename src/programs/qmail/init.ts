/** `qmail init`: make a private home, or put back what is missing in it. */
import { init } from "../../core/cli/init.ts";
import { type CommandRow, homeOption, sendingCommand, textOf } from "../../core/cli/options.ts";
import { shellWord } from "../../core/cli/shell.ts";
import { colours, homeOf, say } from "./say.ts";

export const initCommand: CommandRow = {
  usage: "init",
  summary: "make a private home that runs as one user, or put back what is missing in it",
  group: "Setting up:",
  options: [
    homeOption,
    ["--host <fqdn>", "name of this mail host (default: the machine's full name)"],
    ["--user <name>", "give the home to this user (root only)"],
  ],
  run: async (given) =>
    report(await init({ home: homeOf(given), host: textOf(given, "host"), user: textOf(given, "user") })),
};

function report(result: Awaited<ReturnType<typeof init>>): number {
  if ("delegated" in result) return result.delegated;
  const { home, host, owner, fresh, made } = result;
  if (!fresh) {
    for (const path of made) say(`${colours.waiting("put back")} ${home}/${path}`);
    if (made.length === 0) say(`${home} is complete: nothing was missing`);
    return 0;
  }
  say(
    `${colours.good("made")} ${home}: mail for ${colours.strong(`${owner}@${host}`)} reaches ${home}/mail/${owner}/Maildir`,
  );
  say(`start:  ${shellWord(`${home}/rc`)}`);
  say(`send:   ${sendingCommand(home, owner)}`);
  return 0;
}
