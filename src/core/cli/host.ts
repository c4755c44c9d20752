/** The name of this mail host: what is a valid one, which one to take when nobody says, and what follows from it. */
import { readFileSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { hostName } from "../sys/libc.ts";
import { refuse } from "./trouble.ts";

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const longest = 253;

/** Whether the text is a host name of letters, digits, hyphens and dots (RFC 1123, section 2.1); case does not matter. */
export function isHostName(text: string): boolean {
  return (
    text.length <= longest &&
    text
      .toLowerCase()
      .split(".")
      .every((part) => label.test(part))
  );
}

/** The given name in lower case; refuses what no host can be called. */
export function checkedHost(text: string): string {
  const host = text.toLowerCase();
  if (isHostName(host) && !/^[0-9.]+$/.test(host)) return host;
  throw refuse(`"${text}" is not a host name: letters, digits, hyphens and dots, such as mail.example.org`);
}

/**
 * The name to take when nobody says: the machine's own if it is a full one, else its full name in /etc/hosts, else the
 * machine's with `.localdomain`. No name server is asked: that may take long, and local mail needs none.
 */
export function defaultHost(machine = hostName().toString("latin1"), hosts = hostsFile()): string {
  const name = machine.toLowerCase();
  if (!isHostName(name) || /^[0-9.]+$/.test(name)) return "localhost.localdomain";
  if (name.includes(".")) return name;
  return fullName(name, hosts) ?? `${name}.localdomain`;
}

/** The name with a dot that stands beside `name` in a line of hosts(5). */
function fullName(name: string, hosts: string): string | undefined {
  for (const line of hosts.toLowerCase().split("\n")) {
    const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const full = names.find((one) => one.startsWith(`${name}.`) && isHostName(one));
    if (full !== undefined && names.includes(name)) return full;
  }
  return undefined;
}

function hostsFile(): string {
  try {
    return readFileSync("/etc/hosts", "latin1");
  } catch (failure) {
    if (isSystemError(failure)) return "";
    throw failure;
  }
}

/** The control files that follow from the host name; the domains are cut as qmail's own `config` cuts them. */
export function controlFiles(host: string): Readonly<Record<string, string>> {
  const parts = host.split(".");
  return {
    me: `${host}\n`,
    defaultdomain: `${(parts.length > 2 ? parts.slice(1) : parts).join(".")}\n`,
    plusdomain: `${parts.slice(-2).join(".")}\n`,
    locals: `${host}\nlocalhost\n`,
    rcpthosts: `${host}\nlocalhost\n`,
  };
}
