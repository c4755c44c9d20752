/** The head of the results, and the file that keeps them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Peer } from "./peers/peer.ts";
import { musts } from "./pure/must.ts";
import { merged, type Run } from "./pure/results.ts";

/** The minute it is, for a person. */
export const now = (): string => `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** When, on what machine, by which command, which systems with which settings. */
export function header(peers: readonly Peer[], rounds: number, quick: boolean): string[] {
  const [cpu] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(1);
  return [
    `${now()} by \`npm run bench -- ${process.argv.slice(2).join(" ")}\`; ${cpus().length} x ${cpu?.model ?? "unknown processor"}, ${memory} GiB, Linux ${release()}; Bun ${Bun.version}; ${rounds} rounds in turn${quick ? ", --quick: a tenth to a quarter of the counts that are named" : ""}. Load average before: ${loadavg()[0]?.toFixed(1)}.`,
    "",
    ...peers.map(({ name, settings }) => `- ${name}: ${settings.join("; ")}`),
  ];
}

/** Keeps the results of a run in a file; see merged(). */
export function write(path: string, run: Run): void {
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  writeFileSync(
    path,
    merged(
      before,
      run,
      musts.map(({ what }) => what),
    ),
  );
}
