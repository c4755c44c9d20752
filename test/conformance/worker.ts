/**
 * Runs cases one after another for run.ts: reads one JSON line per case from descriptor 0, answers with one line.
 * `bun worker.ts WORK-DIRECTORY DIRECTORY-OF-PROGRAMS VIA CUT [namespace]`.
 */
import { createInterface } from "node:readline";
import { compare, type Observed, type Problem } from "./compare.ts";
import { startNameServer } from "./dns.ts";
import type { Case } from "./format.ts";
import { networkCase, stopNetwork } from "./kind-network.ts";
import { runCase } from "./kind-run.ts";
import { sendCase } from "./kind-send.ts";
import type { Cut, Via } from "./modes.ts";
import { startServers } from "./servers.ts";
import { World } from "./world.ts";

/** The answer to one case. */
export interface Outcome {
  id: string;
  problems: Problem[];
  seconds: number;
}

async function outcomeOf(test: Case, world: World): Promise<Outcome> {
  const start = Date.now();
  const problems = await problemsOf(test, world).catch((failure: Error) => [
    { what: "harness", expected: "", actual: failure.stack ?? String(failure) },
  ]);
  return { id: test.id, problems, seconds: (Date.now() - start) / 1000 };
}

/** How sessions reach the servers among the programs. */
const [via = "direct", cut = "whole"] = process.argv.slice(4, 6) as [Via?, Cut?];

async function observe(test: Case, world: World, words: Record<string, string>): Promise<Observed> {
  if (test.kind === "send") return await sendCase(test, world, words);
  if (via === "direct") return await runCase(test, world, words, cut);
  return await networkCase(test, world, words, { via, cut });
}

async function problemsOf(test: Case, world: World): Promise<Problem[]> {
  const servers = await startServers(test);
  const names = test.dns === undefined ? undefined : await startNameServer(test.dns);
  try {
    world.prepare(test, servers.words);
    const from = Math.floor(Date.now() / 1000);
    const observed = await observe(test, world, servers.words);
    const uid = test.user === undefined || !world.switches ? process.getuid?.() : undefined;
    const words = { ...world.words(), UID: String(uid ?? world.numberOf(test.user ?? "root")) };
    const moment = { from, to: Math.ceil(Date.now() / 1000), words };
    return compare(
      via === "listen" ? { ...test, ignore: [...(test.ignore ?? []), "exit"] } : test,
      { ...observed, servers: await servers.end() },
      moment,
    );
  } finally {
    await servers.end();
    names?.end();
  }
}

if (import.meta.main) {
  const [work = "", programs = "", , , namespace] = process.argv.slice(2);
  const world = new World(work, programs, namespace !== undefined);
  for await (const line of createInterface({ input: process.stdin }))
    console.log(JSON.stringify(await outcomeOf(JSON.parse(line) as Case, world)));
  stopNetwork();
  world.clear();
}
