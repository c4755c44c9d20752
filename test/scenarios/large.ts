/**
 * One large message, from qmail-inject into a Maildir; no process may need more than 100 MB for it.
 *
 *   bun test/scenarios/large.ts [--megabytes 1024]
 */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Group, host, PrivateHome, readProcess } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";

export interface Passage {
  /** Bytes that were delivered. */
  delivered: number;
  /** Peak resident memory in kB (VmHWM) of every process that took part, by the program's name. */
  peaks: Record<string, number>;
  seconds: number;
}

const line = "Two hundred years of letters went through slots no wider than a hand, one at a time.";

/** Sends a message of that size through a private home. */
export async function largeMessage(megabytes: number): Promise<Passage> {
  const home = new PrivateHome();
  const start = Date.now();
  let sender: Group | undefined;
  try {
    const daemons = home.start();
    const bytes = megabytes * 2 ** 20;
    // The end of the message waits until whoever takes it in was looked at.
    const seen = join(home.path, "seen");
    const wait = `while [ ! -e '${seen}' ]; do sleep 0.05; done`;
    const body = `yes '${line}' | head -c ${bytes}; ${wait}`;
    const inject = `'${home.program("qmail-inject")}' ${home.user}@${host}`;
    sender = new Group(
      ["/bin/sh", "-c", `{ printf 'Subject: large\\n\\n'; ${body}; } | ${inject}`],
      home.environment,
      "ignore",
    );
    const peaks: Record<string, number> = {};
    const limit = Date.now() + (patience + megabytes) * 1000;
    while (Date.now() < limit && (home.delivered().length === 0 || home.queued().length > 0)) {
      for (const pid of [...daemons.processes(), ...sender.processes()]) note(pid, peaks);
      if (peaks["qmail-queue"] !== undefined) writeFileSync(seen, "");
      await Bun.sleep(20);
    }
    const [message] = home.delivered();
    return {
      delivered: message === undefined ? 0 : statSync(message).size,
      peaks,
      seconds: (Date.now() - start) / 1000,
    };
  } finally {
    await sender?.kill();
    await home.remove();
  }
}

/** Keeps the highest peak of the programs of that name. */
export function note(pid: number, peaks: Record<string, number>): void {
  const status = readProcess(pid, "status") ?? "";
  const name = readProcess(pid, "cmdline")?.split("\0")[0]?.split("/").pop() ?? "";
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  if (name !== "") peaks[name] = Math.max(peaks[name] ?? 0, peak);
}

/** What is above the limit of 100 MB. */
export const aboveLimit = ({ peaks }: Passage): string[] =>
  Object.entries(peaks)
    .filter(([, peak]) => peak >= 100_000)
    .map(([name, peak]) => `${name} ${peak} kB`);

if (import.meta.main) {
  const { values } = parseArgs({ options: { megabytes: { type: "string", default: "1024" } } });
  const passage = await largeMessage(Number(values.megabytes));
  console.log(`delivered ${passage.delivered} bytes in ${passage.seconds.toFixed(1)} s`);
  for (const [name, peak] of Object.entries(passage.peaks).sort()) console.log(`${name} ${peak} kB`);
  process.exitCode = passage.delivered > 0 && aboveLimit(passage).length === 0 ? 0 : 1;
}
