/** `qmail setup`: a system-wide installation, from nothing or in the place of another qmail. */

import { syncFileSystemOf } from "../../sys/durable.ts";
import { standardHome } from "../../sys/home.ts";
import { checkedHost, defaultHost } from "../host.ts";
import { attempt } from "../trouble.ts";
import { accountSteps } from "./accounts.ts";
import { disarmSteps } from "./aside.ts";
import { directorySteps, queueSteps } from "./directories.ts";
import { fileSteps } from "./files.ts";
import { launcherSteps } from "./launcher.ts";
import { alone, leftoverSteps } from "./leftovers.ts";
import { sendmailSteps, unitSteps } from "./links.ts";
import { checkBefore, stagingPath } from "./preflight.ts";
import { programSteps } from "./programs.ts";
import { settingSteps } from "./settings.ts";
import type { Site, Steps } from "./step.ts";

/** What the command line said. */
export interface SetupOptions {
  prefix: string | undefined;
  host: string | undefined;
  postmaster: string | undefined;
  sendmail: boolean;
  systemd: boolean;
  replace: boolean;
  dryRun: boolean;
}

/** What was done, or would be. */
export interface SetupResult {
  site: Site;
  host: string;
  steps: number;
}

/**
 * Takes every step that is left to do, and tells each as it is done. Refusals change nothing; an interrupted run is
 * finished by the next.
 */
export async function setUp(options: SetupOptions, tell: (words: string) => void): Promise<SetupResult> {
  const host = options.host === undefined ? defaultHost() : checkedHost(options.host);
  const prefix = options.prefix === undefined ? "" : stagingPath(options.prefix);
  const site: Site = { prefix, home: `${prefix}${standardHome}` };
  checkBefore(site);
  process.umask(0o022);
  return await alone(site, async () => {
    let steps = 0;
    for (const step of allSteps(site, host, options)) {
      if (!options.dryRun) await step.run();
      tell(step.words);
      steps++;
    }
    if (steps > 0 && !options.dryRun) settle(site.home);
    return { site, host, steps };
  });
}

/** In this order every prefix is a system that the next run completes. */
function* allSteps(site: Site, host: string, options: SetupOptions): Steps {
  if (site.prefix === "") yield* accountSteps();
  yield* leftoverSteps(site);
  yield* directorySteps(site);
  yield* queueSteps(site);
  yield* programSteps(site, options.replace);
  yield* launcherSteps(site, options.replace);
  yield* disarmSteps(site);
  yield* fileSteps(site, options.replace);
  yield* settingSteps(site, host, options.postmaster);
  if (options.sendmail) yield* sendmailSteps(site);
  if (options.systemd) yield* unitSteps(site);
}

/** Makes the names of all that was made durable; the files' contents are so already. */
function settle(home: string): void {
  attempt(`sync ${home}`, () => syncFileSystemOf(home));
}
