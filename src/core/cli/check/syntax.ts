/** What a line of each control file has to look like (qmail-control(5)). */
import { parseIp, parseLiteral } from "../../bytes/ip.ts";
import { controlFiles, furtherFiles } from "../../control/files.ts";
import { isHostName } from "../host.ts";

/** Says what is wrong with a line, without the blanks at its end; undefined: nothing. */
export type Rule = (line: string) => string | undefined;

/** How a file is read, and what may be in it. */
export interface Syntax {
  kind: "number" | "text" | "list";
  rule: Rule;
}

/** A name in UTF-8, as bytes: DNS gets it in another form. */
const isForeignName = (text: string): boolean =>
  /[\x80-\xff]/.test(text) && !/[\0-\x20\x7f]/.test(text) && text.length < 254;

const isHost = (text: string): boolean =>
  isHostName(text.replace(/\.$/, "")) ||
  isForeignName(text) ||
  parseIp(text) !== undefined ||
  parseLiteral(text) !== undefined;

const host: Rule = (line) => (isHost(line) ? undefined : "is no host name");
/** A host, or all hosts below a domain. */
const hosts: Rule = (line) => host(line.startsWith(".") ? line.slice(1) : line);
const anything: Rule = () => undefined;
const word: Rule = (line) => (/^[\x21-\x7e]+$/.test(line) ? undefined : "is more than one word");

const sender: Rule = (line) => {
  const at = line.lastIndexOf("@");
  if (at < 0) return "has no @: it matches no sender";
  return host(line.slice(at + 1));
};

const virtual: Rule = (line) => {
  const colon = line.indexOf(":");
  if (colon < 0) return "has no colon: it has no effect";
  const key = line.slice(0, colon);
  return key === "" ? undefined : hosts(key.slice(key.lastIndexOf("@") + 1));
};

const port: Rule = (text) => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return number > 0 && number < 65536 ? undefined : `has port "${text}"`;
};

/** An address or a name, and perhaps a port behind it. */
const relay: Rule = (text) => {
  const [, address = "", number] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text) ?? [];
  return host(address) ?? (number === undefined ? undefined : port(number));
};

const route: Rule = (line) => {
  const colon = line.indexOf(":");
  if (colon < 0) return "has no colon: it has no effect";
  const [key, target] = [line.slice(0, colon), line.slice(colon + 1)];
  return (key === "" ? undefined : hosts(key)) ?? (target === "" ? undefined : relay(target));
};

const server: Rule = (line) => {
  if (parseIp(line) !== undefined) return undefined;
  const [, address = "", number = ""] = /^(\[.*\]|[0-9.]+)(?::(\d+))?$/.exec(line) ?? [];
  const literal = parseLiteral(address) ?? parseIp(address.replace(/^\[(.*)\]$/, "$1"));
  if (literal === undefined) return "is no IP address: it is left out";
  return number === "" ? undefined : port(number);
};

const number: Rule = (line) => {
  if (/^\d+$/.test(line)) return undefined;
  return /^\d/.test(line)
    ? "has more than a number: only its first digits count"
    : "is no number: the default counts";
};

/** Rules of files that hold something special. */
const special: Readonly<Record<string, Rule>> = {
  badmailfrom: sender,
  bouncefrom: word,
  doublebounceto: word,
  locals: host,
  morercpthosts: hosts,
  percenthack: host,
  qmqpservers: server,
  qmtproutes: route,
  rcpthosts: hosts,
  smtpextensions: word,
  smtpgreeting: (line) => host(line.split(" ")[0] ?? ""),
  smtproutes: route,
  validrcpt: hosts,
  virtualdomains: virtual,
};

/** Every control file that a program reads, by name. Values that nothing is said about are host names, lists are free. */
export const syntaxes: ReadonlyMap<string, Syntax> = new Map(
  [...controlFiles, ...furtherFiles].map(([name, { kind, ...file }]) => {
    const usual = kind === "number" ? number : kind === "text" && "me" in file && file.me ? host : anything;
    return [name, { kind, rule: special[name] ?? (name === "me" ? host : usual) }];
  }),
);
