/**
 * Handing an open file to a process that runs already: bytes and a descriptor together over a socket (unix(7),
 * SCM_RIGHTS). The receiver needs no right to open the file itself.
 */
import { ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { constants as os } from "node:os";
import { checked, errno, libc, systemError } from "./libc.ts";

const local = 1;
const stream = 1;
const closeOnExec = 0o2000000;
const noSignal = 0x4000;
const doNotWait = 0x40;
const receivedCloseOnExec = 0x40000000;

const socketLevel = 1;
const rights = 1;

/** struct cmsghdr with one descriptor behind it, and the room it takes (CMSG_LEN and CMSG_SPACE of four bytes). */
const controlLength = 20;
const controlSpace = 24;

/** Two connected sockets, both closing on exec. */
export function socketPair(): [number, number] {
  const ends = new Int32Array(2);
  checked("socketpair", libc().socketpair(local, stream | closeOnExec, 0, ptr(ends)));
  return [ends[0] ?? -1, ends[1] ?? -1];
}

/** struct msghdr of 64-bit glibc: no name, one piece of data, one control message. */
class Message {
  readonly header = new BigUint64Array(7);
  readonly control = Buffer.alloc(controlSpace);
  readonly #vector: BigUint64Array;

  constructor(data: Uint8Array) {
    this.#vector = BigUint64Array.of(BigInt(ptr(data)), BigInt(data.length));
    this.header.set([
      0n,
      0n,
      BigInt(ptr(this.#vector)),
      1n,
      BigInt(ptr(this.control)),
      BigInt(controlSpace),
      0n,
    ]);
  }

  /** Bytes of the control message after a call. */
  get controlLength(): number {
    return Number(this.header[5] ?? 0n);
  }
}

/**
 * Sends the bytes, which must not be empty, and a descriptor with the first of them. Waits for nobody: the receiver may
 * be stopped by whom it runs as. EPIPE, ECONNRESET: nobody is there. EAGAIN, EMSGSIZE: there is no room for all of them,
 * and nothing more may be sent.
 */
export function sendWithDescriptor(socket: number, bytes: Buffer, fd: number): void {
  const message = new Message(bytes);
  message.control.writeBigUInt64LE(BigInt(controlLength), 0);
  message.control.writeInt32LE(socketLevel, 8);
  message.control.writeInt32LE(rights, 12);
  message.control.writeInt32LE(fd, 16);
  const sent = Number(
    attempt("sendmsg", () => libc().sendmsg(socket, ptr(message.header), noSignal | doNotWait)),
  );
  if (sent < bytes.length) throw systemError("sendmsg", os.errno.EMSGSIZE);
}

/**
 * Waits for bytes, and for the descriptor that came with them, which closes on exec. `length` is 0 when the other side
 * is gone.
 */
export function receiveWithDescriptor(
  socket: number,
  into: Buffer,
): { length: number; fd: number | undefined } {
  const message = new Message(into);
  const length = Number(
    attempt("recvmsg", () => libc().recvmsg(socket, ptr(message.header), receivedCloseOnExec)),
  );
  const hasOne =
    message.controlLength >= controlLength &&
    message.control.readInt32LE(8) === socketLevel &&
    message.control.readInt32LE(12) === rights;
  return { length, fd: hasOne ? message.control.readInt32LE(16) : undefined };
}

/** Does a call again that a signal interrupted. */
function attempt(call: string, work: () => bigint | number): bigint | number {
  for (;;) {
    const result = work();
    if (Number(result) >= 0) return result;
    const number = errno();
    if (number !== os.errno.EINTR) throw systemError(call, number);
  }
}

/** Closes what is open. */
export function closeAll(...fds: readonly (number | undefined)[]): void {
  for (const fd of fds) if (fd !== undefined) closeSync(fd);
}
