/** The command line of `qmail`: rows that say what each command takes and does; its help and its mistakes. */
import { Command, CommanderError } from "commander";
import { shellWord } from "./shell.ts";
import { version } from "./version.ts";

/** What was given after a command's name. */
export interface Given {
  /** By long name, in camelCase (`older-than` is `olderThan`): text, or true for an option without an argument. */
  options: Readonly<Record<string, string | boolean | undefined>>;
  /** The arguments, in order. */
  names: readonly string[];
}

/** One command. A command with `commands` of its own only groups them. */
export interface CommandRow {
  /** The name and its arguments: `passwd <name>`, `add <name...>`, `list [queue]`. */
  usage: string;
  /** One line. */
  summary: string;
  /** The heading under which `qmail --help` shows it. */
  group?: string;
  /** Pairs: `--home <dir>`, `-f, --follow`; and what it says. */
  options?: readonly (readonly [flags: string, help: string])[];
  /** Command lines that work as printed. */
  examples?: readonly string[];
  commands?: readonly CommandRow[];
  /** What its argument may be, where that is one of a few words. */
  words?: readonly string[];
  /** Returns the exit code. */
  run?: (given: Given) => number | Promise<number>;
}

/** The option that nearly every command has. */
export const homeOption = ["--home <dir>", "the mail system's home (default: $QMAILHOME)"] as const;

const mistake = 100;

/** From nothing to the first looks. */
const examples = [
  "qmail init --home ~/mail --host mail.example.org",
  "qmail user add --home ~/mail ann joe",
  "qmail explain --home ~/mail joe@mail.example.org",
  "qmail help user",
] as const;

/** Reads the arguments and runs the command. Returns its exit code; 100 for a command line nobody understands. */
export async function runCommand(args: string[], rows: readonly CommandRow[]): Promise<number> {
  let code = 0;
  const program = new Command("qmail")
    .description(
      "Sets up a mail system, says who has a mailbox in it, shows what it does, and acts on its queue.",
    )
    .version(version, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`qmail: fatal: ${text.replace(/^error: /, "")}`) })
    .showSuggestionAfterError()
    .addHelpCommand(
      new Command("help").argument("[command]").description("say more about a command").helpGroup("Help:"),
    )
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}\n`)
    .addHelpText("after", "Exit codes: 0 done, 100 refused, 111 temporary trouble. See qmail(1).");
  const finish = (result: number) => {
    code = result;
  };
  for (const row of rows) addCommand(program, row, finish);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (failure) {
    // Commander has printed its message or the help already.
    if (failure instanceof CommanderError) return failure.exitCode === 0 ? 0 : mistake;
    throw failure;
  }
  return code;
}

function addCommand(parent: Command, row: CommandRow, finish: (code: number) => void): void {
  const command = parent.command(row.usage).description(row.summary);
  if (row.group !== undefined) command.helpGroup(row.group);
  for (const [flags, help] of row.options ?? []) command.option(flags, help);
  if (row.examples !== undefined)
    command.addHelpText("after", `\nExamples:\n${row.examples.map((line) => `  ${line}`).join("\n")}`);
  for (const inner of row.commands ?? []) addCommand(command, inner, finish);
  const { run } = row;
  if (run === undefined) return;
  command.action(async () => finish(await run({ options: command.opts(), names: command.args })));
}

/** The text of an option, or undefined where it was not given. */
export function textOf({ options }: Given, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** The command line that sends a message in a home, for people to copy. */
export function sendingCommand(home: string, to: string): string {
  const inject = shellWord(`${home}/bin/qmail-inject`);
  return `printf 'Subject: hello\\n\\nHello again.\\n' | QMAILHOME=${shellWord(home)} ${inject} ${to}`;
}
