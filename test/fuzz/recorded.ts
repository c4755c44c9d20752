/** Sessions to begin with: the recorded ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Case, field } from "../conformance/format.ts";

const longest = 2000;

/** What clients send in the recorded cases of a program, each once. */
export function recordedSessions(program: string, most = 200): string[] {
  const file = join(import.meta.dir, "../conformance/vectors", `${program}.jsonl`);
  const cases = readFileSync(file, "utf8").trim().split("\n");
  const inputs = cases.map((line) => field(JSON.parse(line) as Case, "stdin") ?? "");
  return [...new Set(inputs)].filter((input) => input.length > 0 && input.length <= longest).slice(0, most);
}
