/**
 * Sockets for one-shot clients: each call waits until it is done or its time is over. Made through libc, because the
 * runtime's own report every failure to connect as ECONNREFUSED, and lock/tcpto must know which hosts timed out.
 * Addresses are 4 or 16 bytes. Reading and writing is that of descriptors (fd.ts).
 */
import { ptr } from "bun:ffi";
import { closeSync, readSync, writeSync } from "node:fs";
import { constants as os } from "node:os";
import { isSystemError } from "../exit.ts";
import { checked, errno, libc, systemError, waitFor } from "./libc.ts";

const family = { 4: 2, 16: 10 } as const;
const type = { stream: 1, datagram: 2 } as const;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const socketLevel = 1;
const pendingError = 4;

/** The longest wait poll(2) knows. */
const longest = 2 ** 31 - 1;

/** A connection, or a datagram socket with a fixed partner. */
export class Socket {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Connects, from an own address `from` if that matters; `seconds` is the longest wait. Throws ECONNREFUSED,
   * EHOSTUNREACH, ...; ETIMEDOUT where the time is over.
   */
  static connect(
    kind: keyof typeof type,
    address: Uint8Array,
    port: number,
    seconds: number,
    from?: Uint8Array,
  ): Socket {
    const socket = new Socket(newSocket(kind, address));
    try {
      if (from !== undefined) bindTo(socket.fd, from, 0);
      socket.#connect(socketAddress(address, port), seconds);
      return socket;
    } catch (failure) {
      socket.close();
      throw failure;
    }
  }

  #connect(to: Buffer, seconds: number): void {
    if (libc().connect(this.fd, ptr(to), to.length) === 0) return;
    const number = errno();
    if (number !== os.errno.EINPROGRESS) throw systemError("connect", number);
    if (!waitFor(this.fd, "write", milliseconds(seconds))) throw systemError("connect", os.errno.ETIMEDOUT);
    const result = new Int32Array(1);
    const size = Int32Array.of(4);
    checked("getsockopt", libc().getsockopt(this.fd, socketLevel, pendingError, ptr(result), ptr(size)));
    if (result[0] !== 0) throw systemError("connect", result[0] ?? 0);
  }

  /** Some bytes that arrived (0: the partner ended). Throws ETIMEDOUT after so many seconds without any. */
  receive(buffer: Uint8Array, seconds: number): number {
    for (;;) {
      try {
        return readSync(this.fd, buffer);
      } catch (failure) {
        this.#await(failure, "read", seconds);
      }
    }
  }

  /** Sends all bytes. Throws ETIMEDOUT if none is taken for so many seconds; EPIPE, ECONNRESET, ... */
  send(bytes: Uint8Array, seconds: number): void {
    for (let offset = 0; offset < bytes.length; ) {
      try {
        offset += writeSync(this.fd, bytes, offset, bytes.length - offset);
      } catch (failure) {
        this.#await(failure, "write", seconds);
      }
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Waits where a call would have to; throws everything else again. */
  #await(failure: unknown, direction: "read" | "write", seconds: number): void {
    if (isSystemError(failure, "EINTR")) return;
    if (!isSystemError(failure, "EAGAIN")) throw failure;
    if (!waitFor(this.fd, direction, milliseconds(seconds))) throw systemError(direction, os.errno.ETIMEDOUT);
  }
}

function milliseconds(seconds: number): number {
  return Math.min(Math.max(0, Math.ceil(seconds * 1000)), longest);
}

const familyOf = (address: Uint8Array): number => family[address.length === 4 ? 4 : 16];

/** A descriptor for a partner, or clients, at addresses of this kind; it neither waits nor outlives an exec. */
export function newSocket(kind: keyof typeof type, address: Uint8Array): number {
  return checked("socket", libc().socket(familyOf(address), type[kind] | nonBlocking | closeOnExec, 0));
}

/** Takes one of our own addresses. */
export function bindTo(fd: number, address: Uint8Array, port: number): void {
  const own = socketAddress(address, port);
  checked("bind", libc().bind(fd, ptr(own), own.length));
}

/** struct sockaddr_in or sockaddr_in6. */
function socketAddress(address: Uint8Array, port: number): Buffer {
  const before = address.length === 4 ? 4 : 8;
  const bytes = Buffer.alloc(address.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(familyOf(address), 0);
  bytes.writeUInt16BE(port & 0xffff, 2);
  bytes.set(address, before);
  return bytes;
}
