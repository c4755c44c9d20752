/** A cdb of tcprules as a server that stays looks its clients up in: for as long as it is the same file, each once. */
import { type Stats, statSync } from "node:fs";
import { isSame, isSettled } from "../sys/kept.ts";
import { CdbFile } from "./cdbfile.ts";
import { type Rule, type RuleClient, ruleFor } from "./tcprules.ts";

/** So many clients are remembered. */
const most = 4096;

export class RulesFile {
  readonly #path: string;
  #seen: Stats | undefined;
  readonly #found = new Map<string, Rule | undefined>();

  constructor(path: string) {
    this.#path = path;
  }

  /** The rule for a client; undefined: there is none. A new file counts at once. Throws where it cannot be read. */
  ruleFor(client: RuleClient): Rule | undefined {
    const stat = statSync(this.#path);
    if (this.#seen === undefined || !isSame(stat, this.#seen)) {
      this.#found.clear();
      this.#seen = isSettled(stat) ? stat : undefined;
    }
    const { ip, host, info } = client;
    const name = [ip, host === undefined ? "" : `=${host}`, info === undefined ? "" : `=${info}`].join("\0");
    const known = this.#found.get(name);
    if (known !== undefined || this.#found.has(name)) return known;
    const rule = this.#find(client);
    if (this.#seen === undefined) return rule;
    if (this.#found.size >= most) this.#found.clear();
    this.#found.set(name, rule);
    return rule;
  }

  #find(client: RuleClient): Rule | undefined {
    const file = new CdbFile(this.#path);
    try {
      return ruleFor(client, (key) => file.find(key));
    } finally {
      file.close();
    }
  }
}
