/** `qmail import`: take over what another mail system is configured to do. */

import { type Imported, importFromPostfix } from "../../core/cli/import.ts";
import type { Fate } from "../../core/cli/import-files.ts";
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { writeAll } from "../../core/sys/fd.ts";
import { colours, homeOf, say } from "./say.ts";

/** Done, but not everything: what is missing is named. */
const incomplete = 1;

const fates: Readonly<Record<Fate, string>> = {
  new: colours.good("new"),
  same: colours.quiet("there already"),
  replaced: colours.waiting("replaced"),
  kept: colours.bad("differs, not overwritten (--force overwrites it)"),
};

export const importCommand: CommandRow = {
  usage: "import",
  summary: "take over what another mail system is configured to do",
  group: "Setting up:",
  commands: [
    {
      usage: "postfix",
      summary: "aliases, virtual addresses, domains, routes and networks of a Postfix",
      options: [
        homeOption,
        ["--postfix <dir>", "directory of main.cf (default: /etc/postfix)"],
        ["--aliases <file>", "the alias file (default: alias_maps of main.cf, or /etc/aliases)"],
        ["--dry-run", "print every file, and write none"],
        ["--force", "overwrite files that say something else"],
      ],
      examples: ["qmail import postfix --home ~/qmail --dry-run"],
      run: importPostfix,
    },
  ],
};

async function importPostfix(given: Given): Promise<number> {
  const dryRun = given.options.dryRun === true;
  const result = await importFromPostfix({
    home: homeOf(given),
    postfix: textOf(given, "postfix") ?? "/etc/postfix",
    aliases: textOf(given, "aliases"),
    dryRun,
    force: given.options.force === true,
  });
  if ("delegated" in result) return result.delegated;
  return report(result, dryRun);
}

function report({ home, plan, missing, remarks }: Imported, dryRun: boolean): number {
  for (const { path, content, fate } of plan) {
    say(`${path}: ${fates[fate]}`);
    if (dryRun) writeAll(1, Buffer.from(content.replace(/^/gm, "    ").replace(/ {4}$/, ""), "latin1"));
  }
  for (const text of remarks) line(`${colours.waiting("note")}: ${text}`);
  for (const text of missing) line(`${colours.bad("not translated")}: ${text}`);
  if (dryRun) say("nothing was written");
  else if (plan.some(({ fate }) => fate === "new" || fate === "replaced")) next(home);
  const isComplete = missing.length === 0 && plan.every(({ fate }) => fate !== "kept");
  return isComplete ? 0 : incomplete;
}

function next(home: string): void {
  say(
    `a running qmail-send reads locals and virtualdomains again on SIGHUP, and the rest when it is started again`,
  );
  say(`tcprules ${home}/control/tcp.smtp.cdb ${home}/control/tcp.smtp.tmp < ${home}/control/tcp.smtp`);
}

/** Prints a line of bytes. */
const line = (text: string): void => writeAll(1, Buffer.from(`${text}\n`, "latin1"));
