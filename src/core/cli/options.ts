/** The command line of `qmail`: its commands, their options, its help. */
import { Command, CommanderError } from "commander";
import { shellWord } from "./shell.ts";
import { version } from "./version.ts";

/** What the commands do; each returns the exit code. `home` is undefined where neither --home nor QMAILHOME says it. */
export interface Actions {
  init: (options: { home: string | undefined; host?: string; user?: string }) => Promise<number>;
  addUsers: (home: string | undefined, names: string[]) => Promise<number>;
  removeUsers: (home: string | undefined, names: string[]) => Promise<number>;
  setPassword: (home: string | undefined, name: string) => Promise<number>;
  listUsers: (home: string | undefined) => number;
}

type HomeOption = { home?: string };

const homeHelp = "the mail system's home (default: $QMAILHOME)";
const mistake = 100;

/** Reads the arguments and runs the command. Returns its exit code; 100 for a command line nobody understands. */
export async function runCommand(args: string[], actions: Actions): Promise<number> {
  let code = 0;
  const program = commands(actions, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (failure) {
    // Commander has printed its message or the help already.
    if (failure instanceof CommanderError) return failure.exitCode === 0 ? 0 : mistake;
    throw failure;
  }
  return code;
}

function commands(actions: Actions, finish: (code: number) => void): Command {
  const program = new Command("qmail")
    .description("Sets up a private mail system and says who has a mailbox in it.")
    .version(version, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`qmail: fatal: ${text.replace(/^error: /, "")}`) })
    .showSuggestionAfterError()
    .addHelpText("after", `\nExit codes: 0 done, 100 refused, 111 temporary trouble. See qmail(1).`);
  addInit(program, actions, finish);
  addUser(program, actions, finish);
  return program;
}

function addInit(program: Command, actions: Actions, finish: (code: number) => void): void {
  program
    .command("init")
    .description("make a private home that runs as one user, or put back what is missing in it")
    .option("--home <dir>", homeHelp)
    .option("--host <fqdn>", "name of this mail host (default: the machine's full name)")
    .option("--user <name>", "give the home to this user (root only)")
    .action(async (options: { home?: string; host?: string; user?: string }) =>
      finish(await actions.init({ ...options, home: options.home })),
    );
}

function addUser(program: Command, actions: Actions, finish: (code: number) => void): void {
  const user = program.command("user").description("who has a mailbox");
  user
    .command("add <name...>")
    .description("give each name a mailbox, and the addresses NAME and NAME-anything")
    .option("--home <dir>", homeHelp)
    .action(async (names: string[], { home }: HomeOption) => finish(await actions.addUsers(home, names)));
  user
    .command("remove <name...>")
    .description("take each name's addresses away; their mail stays in the home")
    .option("--home <dir>", homeHelp)
    .action(async (names: string[], { home }: HomeOption) => finish(await actions.removeUsers(home, names)));
  user
    .command("passwd <name>")
    .description("ask for the password with which NAME fetches mail by POP3")
    .option("--home <dir>", homeHelp)
    .action(async (name: string, { home }: HomeOption) => finish(await actions.setPassword(home, name)));
  user
    .command("list")
    .description("print each mail user and their Maildir")
    .option("--home <dir>", homeHelp)
    .action(({ home }: HomeOption) => finish(actions.listUsers(home)));
}

/** The command line that sends a message in a home, for people to copy. */
export function sendingCommand(home: string, to: string): string {
  const inject = shellWord(`${home}/bin/qmail-inject`);
  return `printf 'Subject: hello\\n\\nHello again.\\n' | QMAILHOME=${shellWord(home)} ${inject} ${to}`;
}
