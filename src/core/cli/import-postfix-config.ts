/**
 * Postfix's files as texts: main.cf with its `$name`s, tables, alias files. Nothing here reads a file. Texts are byte
 * strings: one character a byte.
 */

/** Lines without comments and empty ones; a line that begins with a blank continues the one before it. */
export function logicalLines(text: string): string[] {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (/^\s*(#|$)/.test(line)) continue;
    const last = lines.length - 1;
    if (/^\s/.test(line) && last >= 0) lines[last] += ` ${line.trim()}`;
    else lines.push(line.trimEnd());
  }
  return lines;
}

/** What stands in main.cf, with what Postfix takes where nothing does. */
export class PostfixConfig {
  readonly #given = new Map<string, string>();
  readonly #defaults: ReadonlyMap<string, string>;

  /** `host`: the machine's name, where main.cf has none. `directory`: where main.cf is for Postfix. */
  constructor(text: string, host: string, directory: string) {
    for (const line of logicalLines(text)) {
      const [, name, value = ""] = /^([\w.-]+)\s*=\s*(.*)$/s.exec(line) ?? [];
      if (name !== undefined) this.#given.set(name, value.trim());
    }
    this.#defaults = new Map([
      ["config_directory", directory],
      ["myhostname", host],
      ["myorigin", "$myhostname"],
      ["mydestination", "$myhostname, localhost.$mydomain, localhost"],
      ["alias_maps", "hash:/etc/aliases"],
      ["virtual_alias_domains", "$virtual_alias_maps"],
      ["virtual_alias_maps", "$virtual_maps"],
    ]);
  }

  /** The names that main.cf gives a value, in its order. */
  get names(): string[] {
    return [...this.#given.keys()];
  }

  has(name: string): boolean {
    return this.#given.has(name);
  }

  /** The value with everything put in for `$name`; empty where there is none. */
  value(name: string): string {
    return this.#value(name, []);
  }

  /** The words of a value, which blanks and commas separate. */
  list(name: string): string[] {
    return this.value(name)
      .split(/[\s,]+/)
      .filter((word) => word !== "");
  }

  #value(name: string, within: readonly string[]): string {
    // A value that needs itself is no value.
    if (within.includes(name)) return "";
    const raw = this.#given.get(name) ?? this.#defaults.get(name);
    if (raw !== undefined) return this.#expand(raw, [...within, name]);
    return name === "mydomain"
      ? this.#value("myhostname", [...within, name]).replace(/^[^.]*\.(?=.*\.)/, "")
      : "";
  }

  #expand(text: string, within: readonly string[]): string {
    const pattern = /\$(?:\$|(\w+)|\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|\(([^()]*)\))/g;
    return text.replace(pattern, (whole, plain?: string, braces?: string, round?: string) => {
      if (whole === "$$") return "$";
      const [, name = "", sign, choice = ""] =
        /^(\w+)\s*([?:]?)(.*)$/s.exec(plain ?? braces ?? round ?? "") ?? [];
      const value = this.#value(name, within);
      if (sign !== "?" && sign !== ":") return value;
      const [yes, no] = sign === "?" ? choices(choice) : [undefined, choices(choice)[0]];
      return this.#expand((value !== "" ? yes : no) ?? "", within);
    });
  }
}

/** `{a}:{b}`, `{a}` or `a`: what counts if there is a value, and if not. */
function choices(text: string): [string, string | undefined] {
  const [, yes, no] = /^\s*\{([^{}]*)\}\s*(?::\s*\{([^{}]*)\}\s*)?$/s.exec(text) ?? [];
  return yes === undefined ? [text, undefined] : [yes, no];
}

/** A line of a table: what is looked up, and what is found. */
export type Entry = readonly [key: string, value: string];

/** The entries of a table in postmap's format. A key may have blanks within quotation marks, which it loses. */
export function tableEntries(text: string): Entry[] {
  return logicalLines(text).map((line) => {
    const [, key = "", value = ""] = /^((?:"(?:[^"\\]|\\.)*"|[^\s"])+)(?:\s+(.*))?$/s.exec(line) ?? [];
    return [key.replace(/"((?:[^"\\]|\\.)*)"/gs, (_, inside: string) => unescaped(inside)), value.trim()];
  });
}

/** An alias and what it stands for. */
export interface Alias {
  name: string;
  targets: string[];
}

/** The aliases of a file in aliases(5)'s format; lines that are none are given to `onBad`. */
export function aliasesIn(text: string, onBad: (line: string) => void): Alias[] {
  const aliases: Alias[] = [];
  for (const line of logicalLines(text)) {
    const [, quoted, plain, value] = /^(?:"((?:[^"\\]|\\.)*)"|([^\s":]+))\s*:\s*(.*)$/s.exec(line) ?? [];
    const name = quoted === undefined ? plain : unescaped(quoted);
    if (name === undefined || value === undefined) onBad(line);
    else aliases.push({ name, targets: targetsIn(value) });
  }
  return aliases;
}

/** Cuts a list of targets at its commas; what stands in quotation marks is one, without them. */
export function targetsIn(list: string): string[] {
  const targets: string[] = [];
  for (const [, piece = ""] of list.matchAll(/((?:"(?:[^"\\]|\\.)*"|\\.|[^",])+)(?:,|$)/gs)) {
    const text = piece.trim();
    // Only a whole target loses its quotation marks: in `"joe b"@host` they belong to the address.
    const [, inside] = /^"((?:[^"\\]|\\.)*)"$/s.exec(text) ?? [];
    if (text !== "") targets.push(inside === undefined ? text : unescaped(inside));
  }
  return targets;
}

const unescaped = (text: string): string => text.replace(/\\(.)/gs, "$1");
