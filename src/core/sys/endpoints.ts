/** The two ends of a connection that this process inherited. */
import { ptr } from "bun:ffi";
import { constants as os } from "node:os";
import { checked, libc, systemError } from "./libc.ts";

/** Where one end is: 4 or 16 bytes, and the port. */
export interface Endpoint {
  address: Uint8Array;
  port: number;
}

const size = 128;
const ipv4 = 2;
const ipv6 = 10;
const mapped = Buffer.from("00000000000000000000ffff", "hex");

/** Our end. Throws ENOTSOCK; EAFNOSUPPORT for a socket that is not of the Internet. */
export function localEndpoint(fd: number): Endpoint {
  return endpoint("getsockname", (address, length) => libc().getsockname(fd, ptr(address), ptr(length)));
}

/** The other end. Throws ENOTCONN, too. */
export function remoteEndpoint(fd: number): Endpoint {
  return endpoint("getpeername", (address, length) => libc().getpeername(fd, ptr(address), ptr(length)));
}

function endpoint(call: string, ask: (address: Buffer, length: Uint32Array) => number): Endpoint {
  const found = Buffer.alloc(size);
  checked(call, ask(found, Uint32Array.of(size)));
  const family = found.readUInt16LE(0);
  const port = found.readUInt16BE(2);
  if (family === ipv4) return { address: found.subarray(4, 8), port };
  if (family !== ipv6) throw systemError(call, os.errno.EAFNOSUPPORT);
  const address = found.subarray(8, 24);
  // A socket for both families shows an IPv4 client in IPv6's clothes (RFC 4291, 2.5.5.2).
  const plain = address.subarray(0, mapped.length).equals(mapped);
  return { address: plain ? address.subarray(mapped.length) : address, port };
}
