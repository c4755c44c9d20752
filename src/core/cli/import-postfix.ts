/**
 * What a Postfix is configured to do, as the files of a qmail home: aliases, virtual addresses, domains, routes,
 * networks. Nothing is written here, and files are read by a function that is given. Texts are byte strings.
 */

import type { DotFile } from "./import-postfix-addresses.ts";
import { type Alias, PostfixConfig } from "./import-postfix-config.ts";
import { controlFilesOf, nameOthers, type Settings } from "./import-postfix-settings.ts";
import { PostfixTables } from "./import-postfix-tables.ts";
import { type Owner, qmailLines, type Surroundings } from "./import-postfix-targets.ts";
import { shellWord } from "./shell.ts";

/** What there is to read, and the home it is for. */
export interface Source {
  /** The text of a file by the name that Postfix has for it; undefined where there is none. */
  read: (path: string) => string | undefined;
  /** Where main.cf is for Postfix. */
  directory: string;
  /** The alias file, in place of those in main.cf. */
  aliases?: string | undefined;
  home: string;
  /** control/me of the home. */
  host: string;
  /** The .qmail file of a local part; undefined where nobody has it. */
  dotFile: (local: string) => DotFile | undefined;
}

/** The files that the home is to have, by their paths, and what has to be said. */
export interface Import {
  files: Map<string, string>;
  missing: string[];
  remarks: string[];
}

/** Everything that is translated. */
export function importPostfix(source: Source): Import {
  return new PostfixImport(source).run();
}

class PostfixImport {
  readonly #source: Source;
  readonly #config: PostfixConfig;
  readonly #tables: PostfixTables;
  readonly #result: Import = { files: new Map(), missing: [], remarks: [] };
  readonly #around: Surroundings;
  readonly #locals: readonly string[];
  /** Domains that are virtual as a whole. */
  readonly #virtual: readonly string[];

  constructor(source: Source) {
    const notes = { missing: noteIn(this.#result.missing), remark: noteIn(this.#result.remarks) };
    const main = source.read(`${source.directory}/main.cf`) ?? "";
    this.#source = source;
    this.#config = new PostfixConfig(main, source.host, source.directory);
    this.#tables = new PostfixTables(this.#config, source.read, notes);
    this.#locals = this.#tables.domains("mydestination");
    this.#virtual = this.#tables.virtualDomains().filter((domain) => !this.#locals.includes(domain));
    this.#around = {
      home: source.home,
      read: source.read,
      isLocal: (domain) => domain === source.host || this.#locals.includes(domain.toLowerCase()),
      origin: this.#tables.origin(source.host),
      notes,
    };
  }

  run(): Import {
    const routes = this.#virtualAliases();
    for (const alias of this.#tables.aliases(this.#source.aliases)) this.#alias(alias);
    this.#luserRelay();
    const settings: Settings = {
      config: this.#config,
      tables: this.#tables,
      notes: this.#around.notes,
      host: this.#source.host,
      origin: this.#around.origin,
      locals: this.#locals,
      virtual: this.#virtual,
    };
    for (const [name, lines] of controlFilesOf(settings)) this.#file(`control/${name}`, lines);
    // Last of all: what leads to addresses, when they are there.
    if (routes.length > 0) this.#file("control/virtualdomains", routes);
    nameOthers(settings);
    return this.#result;
  }

  #file(path: string, lines: readonly string[]): void {
    this.#result.files.set(`${this.#source.home}/${path}`, textOf([...new Set(lines)]));
  }

  /** Virtual addresses: a .qmail file each. Returns the lines of virtualdomains that lead to them. */
  #virtualAliases(): string[] {
    const routes = this.#virtual.map((domain) => `${domain}:alias-${domain}`);
    const entries = this.#tables.entries("virtual_alias_maps");
    for (const [key, value] of entries) {
      const at = key.lastIndexOf("@");
      const domain = at < 0 ? undefined : key.slice(at + 1).toLowerCase();
      if (domain === undefined) {
        if (!this.#virtual.includes(key.toLowerCase())) this.#address(key, value, `virtual ${key}`);
      } else if (this.#locals.includes(domain)) {
        this.#inEveryDomain(key);
        this.#address(key.slice(0, at) || "default", value, `virtual ${key}`);
      } else routes.push(...this.#virtualAddress(key.slice(0, at), domain, value));
    }
    if (this.#config.value("luser_relay") === "") return routes;
    const catching = entries.map(([key]) => key.toLowerCase());
    for (const domain of this.#virtual) if (!catching.includes(`@${domain}`)) this.#refuseOthers(domain);
    return routes;
  }

  #inEveryDomain(key: string): void {
    if (this.#locals.length > 1)
      this.#around.notes.remark(`${key} is the same address in every domain of mydestination`);
  }

  /** Behind its own addresses a virtual domain must not go on to what local addresses have. */
  #refuseOthers(domain: string): void {
    const line = `|${this.#program("bouncesaying")} 'Sorry, no mailbox here by that name. (#5.1.1)'`;
    this.#put(`alias-${domain}-default`, `virtual domain ${domain}`, [line]);
  }

  /** Returns the line of virtualdomains for an address whose domain is not virtual as a whole. */
  #virtualAddress(box: string, domain: string, value: string): string[] {
    const key = `${box}@${domain}`;
    if (!/^[\w.-]+$/.test(domain) || /[:\s]/.test(box)) {
      this.#around.notes.missing(`virtual ${key}: this can not be an address here`);
      return [];
    }
    const [, other] = /^@([\w.-]+)$/.exec(value) ?? [];
    const local = `alias-${domain}-${box === "" ? "default" : box}`;
    if (other !== undefined && box === "")
      this.#put(local, `virtual ${key}`, [`|${this.#program("forward")} "$DEFAULT"@${other}`]);
    else this.#address(local, other === undefined ? value : `${box}@${other}`, `virtual ${key}`, key);
    return this.#virtual.includes(domain) ? [] : [`${box === "" ? domain : key}:alias-${domain}`];
  }

  #program(name: string): string {
    return shellWord(`${this.#source.home}/bin/${name}`);
  }

  #alias({ name, targets }: Alias): void {
    this.#translate(name, targets, `alias ${name}`);
    const list = /^owner-(.+)$/i.exec(name)?.[1];
    // Where LIST-owner has a file, it is the sender of what goes to the list (dot-qmail(5)).
    if (list !== undefined) this.#translate(`${list}-owner`, targets, `alias ${name}`);
  }

  #luserRelay(): void {
    const target = this.#config.value("luser_relay");
    if (target !== "") this.#address("default", target, "luser_relay");
  }

  /** An address of a table, whose targets are separated by commas or blanks. */
  #address(local: string, value: string, words: string, virtual = `${local}@`): void {
    const targets = value.split(/[\s,]+/).filter((target) => target !== "");
    this.#translate(local, targets, words, virtual);
  }

  #translate(local: string, targets: readonly string[], words: string, virtual?: string): void {
    const file = this.#fileOf(local, words);
    if (file === undefined) return;
    if (targets.length === 0) this.#around.notes.missing(`${words}: it has no target`);
    const owner: Owner = { words, local, mailbox: file.isMailbox ? "./Maildir/" : undefined, virtual };
    const lines = qmailLines(targets, owner, this.#around);
    if (lines !== undefined) this.#put(local, words, lines);
  }

  #put(local: string, words: string, lines: readonly string[]): void {
    const file = this.#fileOf(local, words);
    if (file === undefined) return;
    if (!file.path.startsWith(`${this.#source.home}/`)) {
      this.#around.notes.missing(
        `${words}: this is for ${file.path}, which is a user's own: ${lines.join(" ")}`,
      );
      return;
    }
    const text = textOf(lines);
    const before = this.#result.files.get(file.path);
    if (before === undefined) this.#result.files.set(file.path, text);
    else if (before !== text)
      this.#around.notes.missing(`${words}: ${file.path} is what comes before it in Postfix's tables`);
  }

  #fileOf(local: string, words: string): DotFile | undefined {
    const file = /[/\0\n]/.test(local) ? undefined : this.#source.dotFile(local);
    if (file === undefined) this.#around.notes.missing(`${words}: this can not be an address here`);
    return file;
  }
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

/** Notes a text, once. */
function noteIn(notes: string[]): (text: string) => void {
  return (text) => {
    if (!notes.includes(text)) notes.push(text);
  };
}
