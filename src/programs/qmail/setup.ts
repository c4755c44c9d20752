/** `qmail setup`: install for the whole system. */

import { type CommandRow, type Given, textOf } from "../../core/cli/options.ts";
import { compiler, launcherKind, withoutLauncher } from "../../core/cli/setup/launcher.ts";
import { changedUnits } from "../../core/cli/setup/links.ts";
import { foreignPrograms } from "../../core/cli/setup/programs.ts";
import { type SetupResult, setUp } from "../../core/cli/setup/setup.ts";
import { colours, say } from "./say.ts";

export const setupCommand: CommandRow = {
  usage: "setup",
  summary: "install for the whole system, or complete and upgrade what is installed",
  group: "Setting up:",
  options: [
    ["--host <fqdn>", "name of this mail host, for a new installation (default: the machine's full name)"],
    [
      "--postmaster <address>",
      "who gets the mail for postmaster, mailer-daemon and root, in a new installation",
    ],
    ["--replace", "also replace programs of another qmail; they are kept in /var/qmail/before"],
    ["--sendmail", "link /usr/sbin/sendmail and /usr/lib/sendmail to this sendmail"],
    ["--systemd", "put units into /etc/systemd/system"],
    ["--prefix <dir>", "install into a staging tree: DIR/var/qmail"],
    ["--dry-run", "say what would be done, and change nothing"],
  ],
  examples: ["qmail setup --dry-run", "qmail setup --host mail.example.org --sendmail --systemd"],
  run: async (given) => {
    const dryRun = isSet(given, "dryRun");
    const result = await setUp(
      {
        prefix: textOf(given, "prefix"),
        host: textOf(given, "host"),
        postmaster: textOf(given, "postmaster"),
        sendmail: isSet(given, "sendmail"),
        systemd: isSet(given, "systemd"),
        replace: isSet(given, "replace"),
        dryRun,
      },
      say,
    );
    report(result, dryRun);
    warn(result, given);
    return 0;
  },
};

const isSet = ({ options }: Given, name: string): boolean => options[name] === true;

const counted = (count: number): string => (count === 1 ? "1 step" : `${count} steps`);

function report({ site, steps }: SetupResult, dryRun: boolean): void {
  if (steps === 0) say(`${site.home} is complete: there is nothing to do`);
  else if (dryRun) say(colours.waiting(`${counted(steps)} to do; nothing was changed`));
  else say(colours.good(`${site.home} is complete: ${counted(steps)} done`));
}

/** What was left as it is, and what that means. */
function warn({ site }: SetupResult, given: Given): void {
  const foreign = isSet(given, "replace") ? [] : foreignPrograms(site);
  const queue = launcherKind(site);
  const kept = queue === "foreign" ? [...foreign, "qmail-queue"] : foreign;
  if (kept.length > 0 && !isSet(given, "replace"))
    say(
      `left as they are: ${kept.length} programs of another qmail in ${site.home}/bin; --replace puts these in their place`,
    );
  if (queue !== "launcher" && queue !== "foreign" && compiler() === undefined)
    say(
      colours.bad(
        `there is no C compiler, so there is no launcher ${site.home}/bin/qmail-queue: ${withoutLauncher}`,
      ),
    );
  if (isSet(given, "systemd"))
    for (const unit of changedUnits(site)) say(`left as it is: ${unit} is not the unit of this version`);
}
