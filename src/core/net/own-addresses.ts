/** The addresses of this machine: mail for a host that leads to one of them would come back to us. */
import { networkInterfaces } from "node:os";
import { type IpAddress, parseIp, sameIp } from "../bytes/ip.ts";

/** Interfaces come and go while a program stays, if not for each delivery, in milliseconds. */
const fresh = 1000;

let known: { addresses: IpAddress[]; since: number } | undefined;

function own(): IpAddress[] {
  const now = Date.now();
  if (known === undefined || Math.abs(now - known.since) > fresh)
    known = { addresses: [new Uint8Array(4), new Uint8Array(16), ...interfaceAddresses()], since: now };
  return known.addresses;
}

function interfaceAddresses(): IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => parseIp(address.replace(/%.*/, "")) ?? []);
}

/** Whether an address is that of one of our interfaces, or "this host" (0.0.0.0 and ::, RFC 1122 section 3.2.1.3). */
export function isOwnAddress(address: IpAddress): boolean {
  const plain = isMapped(address) ? address.subarray(12) : address;
  return own().some((mine) => sameIp(mine, plain));
}

/** Whether any interface has an IPv6 address: without one there is nothing to reach that way. */
export function speaksIpv6(): boolean {
  return own().filter((address) => address.length === 16).length > 1;
}

/** An IPv4 address in IPv6's clothes (RFC 4291 section 2.5.5.2). */
function isMapped(address: IpAddress): boolean {
  const prefix = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255);
  return address.length === 16 && sameIp(address.subarray(0, 12), prefix);
}
