/** qmail(1): the administration of a mail system. Each command is a row in its own file. */
import { runCommand } from "../core/cli/options.ts";
import { checkCommand } from "./qmail/check.ts";
import { importCommand } from "./qmail/import.ts";
import { initCommand } from "./qmail/init.ts";
import { queueCommand } from "./qmail/queue.ts";
import { setupCommand } from "./qmail/setup.ts";
import { userCommand } from "./qmail/user.ts";

export const commands = [
  initCommand,
  setupCommand,
  userCommand,
  importCommand,
  checkCommand,
  queueCommand,
] as const;

export function main(args: Buffer[]): Promise<number> {
  return runCommand(args.map(String), commands);
}
