/** The lists, tables and files that main.cf names. Texts are byte strings. */
import {
  type Alias,
  aliasesIn,
  type Entry,
  logicalLines,
  type PostfixConfig,
  tableEntries,
} from "./import-postfix-config.ts";
import type { Notes } from "./import-postfix-targets.ts";

/** Tables whose source is a text in postmap's format. */
const textTables: ReadonlySet<string> = new Set(["hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"]);

/** Reads what main.cf names; what can not be read is said, once. */
export class PostfixTables {
  readonly #config: PostfixConfig;
  readonly #read: (path: string) => string | undefined;
  readonly #notes: Notes;
  readonly #tables = new Map<string, readonly Entry[]>();

  constructor(config: PostfixConfig, read: (path: string) => string | undefined, notes: Notes) {
    this.#config = config;
    this.#read = read;
    this.#notes = notes;
  }

  /** The domain that Postfix appends to addresses; a path is that of a file whose first line it is. */
  origin(host: string): string {
    const origin = this.#config.value("myorigin");
    if (!origin.startsWith("/")) return origin.toLowerCase();
    const line = this.#read(origin)?.split("\n")[0]?.trim();
    if (line === undefined) this.#notes.missing(`myorigin = ${origin}: no such file`);
    return (line ?? host).toLowerCase();
  }

  /** The domains of a list: themselves, words of a file, or keys of a table. */
  domains(setting: string): string[] {
    return this.#domainsOf(setting, (table) => this.#table(table).map(([key]) => key));
  }

  /** The domains that are declared virtual, by name or as keys without an @ of a table of virtual aliases. */
  virtualDomains(): string[] {
    return this.#domainsOf("virtual_alias_domains", (table) => {
      const keys = this.#table(table).map(([key]) => key.toLowerCase());
      // In a table of addresses a key without an @ may be a domain, or a local address.
      const isAddresses = this.#config.list("virtual_alias_maps").includes(table);
      const isDomain = (key: string) => !isAddresses || keys.some((other) => other.endsWith(`@${key}`));
      return keys.filter((key) => !key.includes("@") && isDomain(key));
    });
  }

  /** The entries of all tables of a setting. */
  entries(setting: string): Entry[] {
    return this.#config.list(setting).flatMap((table) => this.#table(table));
  }

  /** All aliases: those of the given file, or of the tables in main.cf. */
  aliases(file: string | undefined): Alias[] {
    const tables = file === undefined ? this.#config.list("alias_maps") : [`hash:${file}`];
    return tables.flatMap((table) =>
      aliasesIn(this.#textOf(table) ?? "", (line) => this.#notes.missing(`${table}: ${line}`)),
    );
  }

  #domainsOf(setting: string, keysOf: (table: string) => string[]): string[] {
    const words = this.#config.list(setting).flatMap((word) => {
      if (word.startsWith("/")) return this.#wordsOf(setting, word);
      return /^[\w-]+:/.test(word) ? keysOf(word) : [word];
    });
    const names = words.filter((word) => {
      const isName = /^[\w.-]+$/.test(word);
      if (!isName) this.#notes.missing(`${setting}: ${word}`);
      return isName;
    });
    return [...new Set(names.map((name) => name.toLowerCase()))];
  }

  #wordsOf(setting: string, path: string): string[] {
    const text = this.#read(path);
    if (text === undefined) this.#notes.missing(`${setting}: ${path}: no such file`);
    return logicalLines(text ?? "").flatMap((line) => line.split(/[\s,]+/));
  }

  #table(name: string): readonly Entry[] {
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    const entries = tableEntries(this.#textOf(name) ?? "");
    this.#tables.set(name, entries);
    return entries;
  }

  /** The text that a table is made from. */
  #textOf(name: string): string | undefined {
    const [, type = "hash", path = name] = /^([\w-]+):(.*)$/.exec(name) ?? [];
    const text = textTables.has(type) ? this.#read(path) : undefined;
    if (text === undefined) this.#notes.missing(`${name}: no text of this table can be read`);
    return text;
  }
}
