/**
 * What a Postfix is configured to do, as the files of a qmail home: aliases, virtual addresses, domains, routes,
 * networks. Nothing is written here, and files are read by a function that is given. Texts are byte strings.
 */

import type { DotFile } from "./import-postfix-addresses.ts";
import { type Alias, aliasesIn, type Entry, PostfixConfig, tableEntries } from "./import-postfix-config.ts";
import { relayOf, routesOf, rulesOf } from "./import-postfix-network.ts";
import { type Owner, qmailLines, type Surroundings } from "./import-postfix-targets.ts";

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

/** Tables whose source is a text in postmap's format. */
const textTables: ReadonlySet<string> = new Set(["hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"]);

/** Settings that say who gets mail, who may send it or what is done to it, and that have no counterpart here. */
const matters =
  /canonical|_checks$|milter|content_filter|_restrictions$|sasl|_bcc|^virtual_(mailbox|transport|uid|gid)|relay_recipient|^mailbox_(command|transport)|fallback|^forward_path|^home_mailbox|sender_dependent|^masquerade|^local_(recipient|transport)|generic_maps|^address_verify|^default_transport|^relay_transport|^recipient_delimiter$|^owner_request|^mail_spool_directory/;

/** Settings about the machine that Postfix runs on, its speed or its words, which nobody misses. */
const harmless =
  /_directory$|^compatibility_level$|^biff$|^(smtpd?|lmtp)_tls_|^inet_|^mailbox_size_limit$|_database$|^setgid_group$|^mail_owner$|_path$|^append_dot_mydomain$|^smtpd_banner$|^debug|^unknown_local|^alias_database$|_style$|^default_privs$|^html|^manpage|^sample|^swap_bangpath$/;

/** Settings that are read here. */
const translated: ReadonlySet<string> = new Set(
  (
    "myhostname mydomain myorigin mydestination mynetworks relayhost relay_domains alias_maps virtual_alias_maps " +
    "virtual_alias_domains virtual_maps transport_maps message_size_limit luser_relay config_directory"
  ).split(" "),
);

/** Everything that is translated. */
export function importPostfix(source: Source): Import {
  return new PostfixImport(source).run();
}

class PostfixImport {
  readonly #source: Source;
  readonly #config: PostfixConfig;
  readonly #result: Import = { files: new Map(), missing: [], remarks: [] };
  readonly #around: Surroundings;
  readonly #locals: string[];
  readonly #tables = new Map<string, Entry[] | undefined>();
  /** Lines of control/virtualdomains. */
  readonly #virtual: string[] = [];
  readonly #hosts: string[];

  constructor(source: Source) {
    this.#source = source;
    const main = source.read(`${source.directory}/main.cf`) ?? "";
    this.#config = new PostfixConfig(main, source.host, source.directory);
    this.#locals = this.#domains("mydestination");
    this.#hosts = [...this.#locals];
    this.#around = {
      home: source.home,
      read: source.read,
      isLocal: (domain) => domain === source.host || this.#locals.includes(domain.toLowerCase()),
      origin: this.#origin(),
      notes: { missing: (text) => this.#miss(text), remark: (text) => this.#remark(text) },
    };
  }

  run(): Import {
    this.#virtualAliases();
    this.#aliases();
    this.#luserRelay();
    this.#settings();
    this.#report();
    return this.#result;
  }

  #miss(text: string): void {
    if (!this.#result.missing.includes(text)) this.#result.missing.push(text);
  }

  #remark(text: string): void {
    if (!this.#result.remarks.includes(text)) this.#result.remarks.push(text);
  }

  #control(name: string, lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\n`).join("");
    this.#result.files.set(`${this.#source.home}/control/${name}`, text);
  }

  /** The domain that Postfix appends; a path is that of a file whose first line it is. */
  #origin(): string {
    const origin = this.#config.value("myorigin");
    if (!origin.startsWith("/")) return origin.toLowerCase();
    const line = this.#source.read(origin)?.split("\n")[0]?.trim();
    if (line === undefined) this.#miss(`myorigin = ${origin}: no such file`);
    return (line ?? this.#source.host).toLowerCase();
  }

  /** The domains of a list: themselves, lines of a file, or keys of a table. */
  #domains(setting: string): string[] {
    const domains = this.#config.list(setting).flatMap((word) => {
      if (word.startsWith("/")) return this.#fileWords(setting, word);
      if (/^[\w-]+:/.test(word)) return this.#table(word, setting)?.map(([key]) => key) ?? [];
      return [word];
    });
    const names = domains.filter((word) => {
      const isName = /^[\w.-]+$/.test(word);
      if (!isName) this.#miss(`${setting}: ${word}`);
      return isName;
    });
    return [...new Set(names.map((name) => name.toLowerCase()))];
  }

  #fileWords(setting: string, path: string): string[] {
    const text = this.#source.read(path);
    if (text === undefined) this.#miss(`${setting}: ${path}: no such file`);
    return (text ?? "").split(/[\s,]+/).filter((word) => word !== "" && !word.startsWith("#"));
  }

  /** The entries of a table; undefined, and it was said, where it can not be read. */
  #table(name: string, setting: string): Entry[] | undefined {
    const known = this.#tables.get(name);
    if (known !== undefined || this.#tables.has(name)) return known;
    const text = this.#tableText(name);
    if (text === undefined) this.#miss(`${setting}: ${name}: no text of this table can be read`);
    const entries = text === undefined ? undefined : tableEntries(text);
    this.#tables.set(name, entries);
    return entries;
  }

  #tableText(name: string): string | undefined {
    const [, type = "hash", path = name] = /^([\w-]+):(.*)$/.exec(name) ?? [];
    return textTables.has(type) ? this.#source.read(path) : undefined;
  }

  #entries(setting: string): Entry[] {
    return this.#config.list(setting).flatMap((name) => this.#table(name, setting) ?? []);
  }

  /** The domains that are declared virtual, by name or as keys without an @ of a table of virtual aliases. */
  #virtualDomains(): string[] {
    const setting = "virtual_alias_domains";
    const words = this.#config.list(setting).flatMap((word): string[] => {
      if (word.startsWith("/")) return this.#fileWords(setting, word);
      if (!/^[\w-]+:/.test(word)) return [word];
      const keys = this.#table(word, setting)?.map(([key]) => key.toLowerCase()) ?? [];
      // In a table of addresses a key without an @ may be a domain, or a local address.
      const isAddresses = this.#config.list("virtual_alias_maps").includes(word);
      const isDomain = (key: string) => !isAddresses || keys.some((other) => other.endsWith(`@${key}`));
      return keys.filter((key) => !key.includes("@") && isDomain(key));
    });
    return [...new Set(words.map((word) => word.toLowerCase()))].filter(
      (domain) => !this.#locals.includes(domain),
    );
  }

  /** Virtual addresses: a .qmail file each, and what leads to them. */
  #virtualAliases(): void {
    const domains = this.#virtualDomains();
    for (const domain of domains) this.#virtual.push(`${domain}:alias-${domain}`);
    this.#hosts.push(...domains);
    const catching = new Set<string>();
    for (const [key, value] of this.#entries("virtual_alias_maps")) {
      const at = key.lastIndexOf("@");
      const [box, domain] = at < 0 ? [key, undefined] : [key.slice(0, at), key.slice(at + 1).toLowerCase()];
      if (domain === undefined) {
        if (!domains.includes(key.toLowerCase())) this.#address(box, value, `virtual ${key}`);
      } else if (this.#locals.includes(domain)) {
        if (this.#locals.length > 1)
          this.#remark(`${key} is the same address in every domain of mydestination`);
        this.#address(box === "" ? "default" : box, value, `virtual ${key}`);
      } else {
        if (box === "") catching.add(domain);
        this.#virtualAddress(box, domain, value, domains);
      }
    }
    if (this.#config.value("luser_relay") === "") return;
    for (const domain of domains.filter((name) => !catching.has(name))) this.#refuseOthers(domain);
  }

  /** Behind its own addresses a virtual domain must not go on to what local addresses have. */
  #refuseOthers(domain: string): void {
    this.#put(`alias-${domain}-default`, `virtual domain ${domain}`, [
      `|${this.#source.home}/bin/bouncesaying 'Sorry, no mailbox here by that name. (#5.1.1)'`,
    ]);
  }

  #virtualAddress(box: string, domain: string, value: string, domains: readonly string[]): void {
    const key = `${box}@${domain}`;
    const [, other] = /^@([\w.-]+)$/.exec(value) ?? [];
    if (!domains.includes(domain)) this.#virtual.push(`${box === "" ? domain : key}:alias-${domain}`);
    const local = `alias-${domain}-${box === "" ? "default" : box}`;
    if (other === undefined) this.#address(local, value, `virtual ${key}`, key);
    else if (box !== "") this.#address(local, `${box}@${other}`, `virtual ${key}`, key);
    else this.#put(local, `virtual ${key}`, [`|${this.#source.home}/bin/forward "$DEFAULT"@${other}`]);
  }

  /** The alias files. What virtual aliases have already is theirs. */
  #aliases(): void {
    const { aliases } = this.#source;
    const tables = aliases === undefined ? this.#config.list("alias_maps") : [`hash:${aliases}`];
    const all = tables.flatMap((name) => {
      const text = this.#tableText(name);
      if (text === undefined) this.#miss(`alias_maps: ${name}: no text of this table can be read`);
      return aliasesIn(text ?? "", (line) => this.#miss(`${name}: ${line}`));
    });
    for (const alias of all) this.#alias(alias);
  }

  #alias({ name, targets }: Alias): void {
    this.#translate(name, targets, `alias ${name}`);
    const list = /^owner-(.+)$/i.exec(name)?.[1];
    // Where LIST-owner has a file, it is the sender of what goes to the list (dot-qmail(5)).
    if (list !== undefined) this.#translate(`${list}-owner`, targets, `alias ${name}`);
  }

  #luserRelay(): void {
    const target = this.#config.value("luser_relay");
    if (target === "") return;
    if (target.includes("$")) this.#miss(`luser_relay = ${target}`);
    else this.#address("default", target, "luser_relay");
  }

  /** An address of a table, whose targets are separated by commas or blanks. */
  #address(local: string, value: string, words: string, virtual = `${local}@`): void {
    const targets = value.split(/[\s,]+/).filter((target) => target !== "");
    this.#translate(local, targets, words, virtual);
  }

  #translate(local: string, targets: readonly string[], words: string, virtual?: string): void {
    const file = this.#fileOf(local, words);
    if (file === undefined) return;
    if (targets.length === 0) this.#miss(`${words}: it has no target`);
    const owner: Owner = { words, local, mailbox: file.isMailbox ? "./Maildir/" : undefined, virtual };
    const lines = qmailLines(targets, owner, this.#around);
    if (lines !== undefined) this.#put(local, words, lines);
  }

  #put(local: string, words: string, lines: readonly string[]): void {
    const file = this.#fileOf(local, words);
    if (file === undefined) return;
    if (!file.path.startsWith(`${this.#source.home}/`)) {
      this.#miss(`${words}: this is for ${file.path}, which is a user's own: ${lines.join(" ")}`);
      return;
    }
    const text = lines.map((line) => `${line}\n`).join("");
    const before = this.#result.files.get(file.path);
    if (before === undefined) this.#result.files.set(file.path, text);
    else if (before !== text)
      this.#miss(`${words}: ${file.path} is what comes before it in Postfix's tables`);
  }

  #fileOf(local: string, words: string): DotFile | undefined {
    const file = /[/\0\n]/.test(local) ? undefined : this.#source.dotFile(local);
    if (file === undefined) this.#miss(`${words}: this can not be an address here`);
    return file;
  }

  /** The control files and the rules for tcprules. */
  #settings(): void {
    const config = this.#config;
    const { host } = this.#source;
    if (config.has("myhostname")) this.#control("me", [config.value("myhostname").toLowerCase()]);
    const relayed = this.#domains("relay_domains").flatMap((domain) => [domain, `.${domain}`]);
    this.#control("locals", [...new Set([...this.#locals, host])]);
    this.#control("rcpthosts", [...new Set([...this.#hosts, host, ...relayed])]);
    if (this.#virtual.length > 0) this.#control("virtualdomains", [...new Set(this.#virtual)]);
    if (config.has("mydomain")) this.#control("defaultdomain", [config.value("mydomain").toLowerCase()]);
    if (this.#around.origin !== host)
      for (const name of ["defaulthost", "envnoathost"]) this.#control(name, [this.#around.origin]);
    if (config.has("message_size_limit")) this.#size(config.value("message_size_limit"));
    this.#routes();
    this.#rules();
  }

  #size(limit: string): void {
    if (/^\d+$/.test(limit)) this.#control("databytes", [limit]);
    else this.#miss(`message_size_limit = ${limit}`);
  }

  #routes(): void {
    const { notes } = this.#around;
    const routes = routesOf(this.#entries("transport_maps"), notes);
    const relayhost = this.#config.value("relayhost");
    const relay = relayhost === "" ? undefined : relayOf(relayhost, notes);
    if (relayhost !== "" && relay === undefined) this.#miss(`relayhost = ${relayhost}`);
    if (relay !== undefined && !routes.some((route) => route.startsWith(":"))) routes.push(`:${relay}`);
    if (routes.length > 0) this.#control("smtproutes", routes);
  }

  #rules(): void {
    const set = this.#config.has("mynetworks");
    if (!set) this.#remark("mynetworks is not set: only this machine may relay");
    const networks = set ? this.#config.list("mynetworks") : ["127.0.0.0/8", "[::1]/128"];
    this.#control("tcp.smtp", rulesOf(networks, this.#around.notes));
  }

  /** Names the settings that are not translated. */
  #report(): void {
    const others = this.#config.names.filter((name) => !translated.has(name));
    for (const name of others)
      if (matters.test(name) && this.#says(name)) this.#miss(`${name} = ${this.#config.value(name)}`);
    const rest = others.filter((name) => !matters.test(name) && !harmless.test(name));
    if (rest.length > 0) this.#remark(`settings that were not looked at: ${rest.join(" ")}`);
  }

  /** Whether a setting asks for something that is not so here anyway. */
  #says(name: string): boolean {
    const value = this.#config.value(name);
    if (name === "recipient_delimiter") return value !== "" && value !== "-";
    if (name === "home_mailbox") return value !== "Maildir/";
    if (name === "smtpd_relay_restrictions" || name === "smtpd_recipient_restrictions")
      return value.split(/[\s,]+/).some((word) => !usual.has(word));
    return value !== "" && value !== "no";
  }
}

/** What qmail-smtpd does by rcpthosts and RELAYCLIENT. */
const usual: ReadonlySet<string> = new Set([
  "permit_mynetworks",
  "permit_sasl_authenticated",
  "defer_unauth_destination",
  "reject_unauth_destination",
  "permit_auth_destination",
  "",
]);
