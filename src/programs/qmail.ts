/** qmail(1): the administration of a private home. */
import { init } from "../core/cli/init.ts";
import { runCommand, sendingCommand } from "../core/cli/options.ts";
import { paint } from "../core/cli/paint.ts";
import { shellWord } from "../core/cli/shell.ts";
import { refuse } from "../core/cli/trouble.ts";
import { addUsers, type Changes, listUsers, removeUsers, setPassword } from "../core/cli/user.ts";
import { writeAll } from "../core/sys/fd.ts";

const colours = paint(process.stdout);
const say = (line: string): void => writeAll(1, Buffer.from(`${line}\n`));

export function main(args: Buffer[]): Promise<number> {
  return runCommand(args.map(String), {
    init: async ({ home, host, user }) => report(await init({ home: homeOf(home), host, user })),
    addUsers: async (home, names) =>
      changes(await addUsers(homeOf(home), names), "has a mailbox now", "has a mailbox already"),
    removeUsers: async (home, names) =>
      changes(await removeUsers(homeOf(home), names), "has no address any more; the mail stays", ""),
    setPassword: async (home, name) =>
      changes(await setPassword(homeOf(home), name), "has a new password for POP3", ""),
    listUsers: (home) => {
      for (const { name, maildir, owner } of listUsers(homeOf(home)))
        say(`${colours.strong(name)}\t${maildir}${owner ? colours.quiet("\towner") : ""}`);
      return 0;
    },
  });
}

function homeOf(option: string | undefined): string {
  const home = option ?? process.env.QMAILHOME ?? "";
  if (home === "") throw refuse("which home? give --home DIR, or set QMAILHOME");
  return home;
}

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

function changes(result: Changes, done: string, already: string): number {
  if ("delegated" in result) return result.delegated;
  for (const { name, maildir, changed } of result)
    say(`${colours.strong(name)} ${changed ? done : already}: ${maildir}`);
  return 0;
}
