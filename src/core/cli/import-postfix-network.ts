/** Postfix's routes and networks, as smtproutes (qmail-remote(8)) and rules of tcprules(1). */
import { formatIp, type IpAddress, parseIp } from "../bytes/ip.ts";
import type { Entry } from "./import-postfix-config.ts";
import type { Notes } from "./import-postfix-targets.ts";

const ports: Readonly<Record<string, string>> = {
  smtp: "25",
  submission: "587",
  smtps: "465",
  submissions: "465",
};

/** `[relay.example.org]:587` or `relay.example.org` as the end of a line of smtproutes; undefined: it is neither. */
export function relayOf(nextHop: string, notes: Notes): string | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\w+))?$/.exec(nextHop) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? "" : (ports[port] ?? port);
  if (host === undefined || !/^\d*$/.test(number)) return undefined;
  if (plain !== undefined && parseIp(plain) === undefined)
    notes.remark(`mail for ${plain} goes to the host of that name; Postfix would look up its MX`);
  const address = parseIp(host.replace(/^ipv6:/i, ""));
  const name = address?.length === 16 ? `[${formatIp(address)}]` : host;
  return number === "" ? name : `${name}:${number}`;
}

/** The lines of smtproutes for a transport table. */
export function routesOf(entries: readonly Entry[], notes: Notes): string[] {
  return entries.flatMap(([key, value]) => {
    const [, transport, nextHop = ""] = /^([\w-]*):(.*)$/.exec(value) ?? [];
    const isSmtp = transport === "smtp" || transport === "relay" || transport === "";
    const isDomain = key === "*" || /^\.?[^@\s<>]+$/.test(key);
    const relay = !isSmtp || !isDomain ? undefined : nextHop === "" ? "" : relayOf(nextHop, notes);
    if (relay !== undefined) return [`${key === "*" ? "" : key}:${relay}`];
    notes.missing(`transport table: ${key} ${value}`);
    return [];
  });
}

/** The lines for tcprules that let the clients of mynetworks relay, and everybody else in. */
export function rulesOf(networks: readonly string[], notes: Notes): string[] {
  const rules = networks.flatMap((network) => {
    const isExcluded = network.startsWith("!");
    const beginnings = beginningsOf(isExcluded ? network.slice(1) : network);
    if (beginnings === undefined) notes.missing(`mynetworks: ${network}`);
    return (beginnings ?? []).map((beginning) => `${beginning}:allow${isExcluded ? "" : ',RELAYCLIENT=""'}`);
  });
  return [...new Set(rules), ":allow"];
}

/** The beginnings of addresses, as rules have them, that a network consists of. */
function beginningsOf(network: string): string[] | undefined {
  const [, bracketed, plain, bits] = /^(?:\[([^\]]+)\]|([\d.]+))(?:\/(\d+))?$/.exec(network) ?? [];
  const address = parseIp(bracketed ?? plain ?? "");
  if (address === undefined) return undefined;
  const length = bits === undefined ? 8 * address.length : Number(bits);
  // Everybody's network would make an open relay.
  if (length > 8 * address.length || length === 0) return undefined;
  const isMapped = address.length === 16 && formatIp(address).startsWith("::ffff:") && length >= 96;
  if (isMapped) return length === 96 ? undefined : ipv4Beginnings(address.slice(12), length - 96);
  return address.length === 4 ? ipv4Beginnings(address, length) : ipv6Beginnings(address, length);
}

/** `10.`, `172.16-31.`, `192.0.2.1`: whole numbers, and a range where the network's border is within one. */
function ipv4Beginnings(address: IpAddress, length: number): string[] {
  const whole = Math.floor(length / 8);
  const start = Array.from(address.subarray(0, whole), (byte) => `${byte}.`).join("");
  if (whole === 4) return [start.slice(0, -1)];
  const rest = length % 8;
  if (rest === 0) return [start];
  const size = 2 ** (8 - rest);
  const first = Math.floor((address[whole] ?? 0) / size) * size;
  return [`${start}${first}-${first + size - 1}${whole === 3 ? "" : "."}`];
}

/** A whole address, or groups of which none is zero: those are written in more ways than one. */
function ipv6Beginnings(address: IpAddress, length: number): string[] | undefined {
  if (length === 128) return [formatIp(address)];
  if (length % 16 !== 0) return undefined;
  const groups = Array.from({ length: length / 16 }, (_, index) =>
    (((address[2 * index] ?? 0) << 8) | (address[2 * index + 1] ?? 0)).toString(16),
  );
  return groups.includes("0") ? undefined : [groups.map((group) => `${group}:`).join("")];
}
