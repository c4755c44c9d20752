/** The head of the results, and the file that keeps them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Peer } from "./peers/peer.ts";

/** When, on what machine, which systems with which settings. */
export function header(peers: readonly Peer[], rounds: number, quick: boolean): string[] {
  const [cpu] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(1);
  return [
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC; ${cpus().length} x ${cpu?.model ?? "unknown processor"}, ${memory} GiB, Linux ${release()}; Bun ${Bun.version}; ${rounds} rounds in turn${quick ? ", --quick: a tenth to a quarter of the counts that are named" : ""}. Load average before: ${loadavg()[0]?.toFixed(1)}.`,
    "",
    ...peers.map(({ name, settings }) => `- ${name}: ${settings.join("; ")}`),
  ];
}

const title = "# Results\n";

/**
 * Keeps the results of a run in a file: sections of the workloads that ran replace those that are there, each with the
 * head of its run.
 */
export function write(path: string, lines: readonly string[]): void {
  const before = existsSync(path) ? sections(readFileSync(path, "utf8")) : new Map<string, string>();
  const [head = "", ...parts] = lines.join("\n").split(/^## /m);
  for (const part of parts) {
    const name = part.split("\n")[0] ?? "";
    before.set(name, `## ${part.trimEnd()}\n\nMeasured ${head.trim()}\n`);
  }
  writeFileSync(path, `${title}\n${[...before.values()].join("\n")}`);
}

function sections(text: string): Map<string, string> {
  const parts = text.split(/^(?=## )/m).slice(1);
  return new Map(parts.map((part) => [/^## (.*)$/m.exec(part)?.[1] ?? "", `${part.trimEnd()}\n`]));
}
