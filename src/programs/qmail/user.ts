/** `qmail user`: who has a mailbox. */
import { type CommandRow, homeOption } from "../../core/cli/options.ts";
import { addUsers, type Changes, listUsers, removeUsers, setPassword } from "../../core/cli/user.ts";
import { colours, homeOf, say } from "./say.ts";

export const userCommand: CommandRow = {
  usage: "user",
  summary: "who has a mailbox",
  group: "Setting up:",
  commands: [
    {
      usage: "add <name...>",
      summary: "give each name a mailbox, and the addresses NAME and NAME-anything",
      options: [homeOption],
      run: async (given) =>
        report(await addUsers(homeOf(given), [...given.names]), "has a mailbox now", "has a mailbox already"),
    },
    {
      usage: "remove <name...>",
      summary: "take each name's addresses away; their mail stays in the home",
      options: [homeOption],
      run: async (given) =>
        report(
          await removeUsers(homeOf(given), [...given.names]),
          "has no address any more; the mail stays",
          "",
        ),
    },
    {
      usage: "passwd <name>",
      summary: "ask for the password with which NAME fetches mail by POP3",
      options: [homeOption],
      run: async (given) =>
        report(await setPassword(homeOf(given), given.names[0] ?? ""), "has a new password for POP3", ""),
    },
    {
      usage: "list",
      summary: "print each mail user and their Maildir",
      options: [homeOption],
      run: (given) => {
        for (const { name, maildir, owner } of listUsers(homeOf(given)))
          say(`${colours.strong(name)}\t${maildir}${owner ? colours.quiet("\towner") : ""}`);
        return 0;
      },
    },
  ],
};

function report(result: Changes, done: string, already: string): number {
  if ("delegated" in result) return result.delegated;
  for (const { name, maildir, changed } of result)
    say(`${colours.strong(name)} ${changed ? done : already}: ${maildir}`);
  return 0;
}
