/** From the name of a host to the addresses where its mail goes (RFC 5321 section 5.1). */
import { type IpAddress, parseIp, parseLiteral } from "../bytes/ip.ts";
import type { DnsRecord, RecordType } from "../wire/dns.ts";
import { speaksIpv6 } from "./own-addresses.ts";
import type { Finding } from "./resolver.ts";

/** An address that takes mail for the host. The smaller the preference, the better. */
export interface Exchanger {
  address: IpAddress;
  preference: number;
}

/**
 * `found`: perhaps no address at all; then `incomplete` tells that DNS did not answer every question. `absent`: there
 * is no such host. `unknown`: DNS can not tell now.
 */
export type Exchangers =
  | { kind: "found"; exchangers: Exchanger[]; incomplete: boolean }
  | { kind: "absent" }
  | { kind: "unknown" };

/** What this module needs of a Resolver. */
export interface NameService {
  lookUp: (name: string, type: RecordType) => Finding | Promise<Finding>;
}

/** The address that a host's name itself is: `1.2.3.4`, `[1.2.3.4]`, `[IPv6:2001:db8::1]`. */
export function literalAddress(host: string): IpAddress | undefined {
  return parseLiteral(host) ?? parseIp(host);
}

const found = (exchangers: Exchanger[], incomplete = false): Exchangers => ({
  kind: "found",
  exchangers,
  incomplete,
});

/** A name in UTF-8 as DNS has it (RFC 5891): `b\u00fccher.example` is `xn--bcher-kva.example`. Other names stay as they are. */
export function dnsName(host: string): string {
  if (/^[\0-\x7f]*$/.test(host)) return host;
  const name = Buffer.from(host, "latin1").toString("utf8");
  if (!/^[\p{L}\p{M}\p{N}.-]+$/u.test(name)) return host;
  return URL.parse(`http://${name}`)?.hostname ?? host;
}

/** The mail exchangers of a host, best first, those of equal preference in random order; its own addresses without any. */
export async function mailExchangers(names: NameService, host: string): Promise<Exchangers> {
  const literal = literalAddress(host);
  if (literal !== undefined) return found([{ address: literal, preference: 0 }]);
  const finding = await names.lookUp(dnsName(host), "MX");
  if (finding.kind === "unknown") return finding;
  if (finding.kind === "absent" || finding.records.length === 0) return hostAddresses(names, host);
  const results: Exchangers[] = [];
  for (const record of inOrder(finding.records)) results.push(await exchangerAddresses(names, record));
  return found(
    results.flatMap((result) => (result.kind === "found" ? result.exchangers : [])),
    results.some((result) => result.kind === "unknown"),
  );
}

/** A name that is just the root takes no mail (RFC 7505). */
async function exchangerAddresses(names: NameService, record: DnsRecord): Promise<Exchangers> {
  return record.name === "" ? { kind: "absent" } : hostAddresses(names, record.name, record.preference);
}

function inOrder(records: readonly DnsRecord[]): DnsRecord[] {
  return records
    .map((record) => ({ record, chance: Math.random() }))
    .sort((a, b) => a.record.preference - b.record.preference || a.chance - b.chance)
    .map(({ record }) => record);
}

/** The addresses of a host in the order of DNS, IPv4 first. An address in the place of a name has preference 0. */
export async function hostAddresses(names: NameService, host: string, preference = 0): Promise<Exchangers> {
  const literal = literalAddress(host);
  if (literal !== undefined) return found([{ address: literal, preference: 0 }]);
  const name = dnsName(host);
  const four = await names.lookUp(name, "A");
  if (four.kind === "unknown" || (four.kind === "absent" && !four.exists)) return withoutExists(four);
  const six = speaksIpv6() ? await names.lookUp(name, "AAAA") : ({ kind: "absent", exists: true } as const);
  const exchangers = [...addressesOf(four, 4), ...addressesOf(six, 16)];
  if (exchangers.length > 0) return found(exchangers.map((address) => ({ address, preference })));
  if (six.kind === "unknown") return six;
  return four.kind === "absent" && six.kind === "absent" ? { kind: "absent" } : found([]);
}

const withoutExists = ({ kind }: { kind: "unknown" | "absent" }): Exchangers => ({ kind });

const addressesOf = (finding: Finding, size: number): IpAddress[] =>
  finding.kind === "records" ? finding.records.map(({ data }) => data.subarray(0, size)) : [];
