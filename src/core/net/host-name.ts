/** The name of a host whose address is known. */
import { type IpAddress, sameIp } from "../bytes/ip.ts";
import { lowerCase } from "../bytes/text.ts";
import type { NameService } from "./exchangers.ts";
import { reverseName } from "./resolver.ts";

/**
 * The name that the DNS has for an address, in small letters, up to its first NUL. Undefined: it has none.
 * `unknown`: not now.
 */
export async function hostName(
  names: NameService,
  address: IpAddress,
): Promise<Buffer | undefined | "unknown"> {
  const finding = await names.lookUp(reverseName(address), "PTR");
  if (finding.kind === "unknown") return "unknown";
  const [first] = finding.kind === "records" ? finding.records : [];
  return first && upToNul(lowerCase(Buffer.from(first.name, "latin1")));
}

/** The same, but only a name that has this address: everybody may write any name into their part of in-addr.arpa. */
export async function confirmedHostName(names: NameService, address: IpAddress): Promise<Buffer | undefined> {
  const name = await hostName(names, address);
  if (name === undefined || name === "unknown") return undefined;
  const finding = await names.lookUp(name.toString("latin1"), address.length === 4 ? "A" : "AAAA");
  const records = finding.kind === "records" ? finding.records : [];
  return records.some(({ data }) => sameIp(data, address)) ? name : undefined;
}

/** A variable ends at its first NUL. */
export function upToNul(text: Buffer): Buffer {
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}
