/** qmail(1): the administration of a mail system. Each command is a row in its own file. */
import { type CommandRow, runCommand } from "../core/cli/options.ts";
import { isSystemError } from "../core/exit.ts";
import { checkCommand } from "./qmail/check.ts";
import { completionCommand } from "./qmail/completion.ts";
import { explainCommand } from "./qmail/explain.ts";
import { importCommand } from "./qmail/import.ts";
import { initCommand } from "./qmail/init.ts";
import { logCommand } from "./qmail/log.ts";
import { queueCommand } from "./qmail/queue.ts";
import { reportCommand } from "./qmail/report.ts";
import { setupCommand } from "./qmail/setup.ts";
import { statusCommand } from "./qmail/status.ts";
import { topCommand } from "./qmail/top.ts";
import { userCommand } from "./qmail/user.ts";

export const commands: readonly CommandRow[] = [
  initCommand,
  setupCommand,
  userCommand,
  importCommand,
  checkCommand,
  explainCommand,
  queueCommand,
  logCommand,
  reportCommand,
  statusCommand,
  topCommand,
  completionCommand(() => commands),
];

export async function main(args: Buffer[]): Promise<number> {
  try {
    return await runCommand(args.map(String), commands);
  } catch (failure) {
    // `qmail report | head`: whoever reads has seen enough.
    if (isSystemError(failure, "EPIPE")) return 0;
    throw failure;
  }
}
