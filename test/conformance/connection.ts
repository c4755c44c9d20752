/** An accepted TCP connection between two ports of 127.0.0.1, as a server gets it from tcpserver or inetd. */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, writeSync } from "node:fs";

const { i32, u32, ptr: pointer } = FFIType;
const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  accept: { args: [i32, pointer, pointer], returns: i32 },
  shutdown: { args: [i32, i32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
});

const [ipv4, stream, socketLevel, reuseAddress, linger] = [2, 1, 1, 2, 13] as const;

/** The server's side, and what ends the client's. */
export interface Connection {
  server: number;
  close: () => void;
}

/** Connects, sends the bytes, and keeps the connection open. */
export function connection(localPort: number, remotePort: number, text: string): Connection {
  const listener = bound(localPort);
  did("listen", libc.listen(listener, 1));
  const client = bound(remotePort);
  // A client that resets leaves no address in TIME_WAIT for the next case.
  option(client, linger, Int32Array.of(1, 0));
  did("connect", libc.connect(client, ptr(address(localPort)), 16));
  const server = did("accept", libc.accept(listener, null, null));
  closeSync(listener);
  writeSync(client, Buffer.from(text, "latin1"));
  return { server, close: () => closeSync(client) };
}

/** Connects to a port of 127.0.0.1; every write goes out at once. */
export function dial(port: number): number {
  const fd = did("socket", libc.socket(ipv4, stream, 0));
  did("connect", libc.connect(fd, ptr(address(port)), 16));
  did("setsockopt", libc.setsockopt(fd, tcpLevel, noDelay, ptr(Int32Array.of(1)), 4));
  return fd;
}

/** Tells the other side that no more comes. It may be gone. */
export function endOfInput(fd: number): void {
  libc.shutdown(fd, writing);
}

const [tcpLevel, noDelay, writing] = [6, 1, 1] as const;

function bound(port: number): number {
  const fd = did("socket", libc.socket(ipv4, stream, 0));
  option(fd, reuseAddress, Int32Array.of(1));
  did("bind", libc.bind(fd, ptr(address(port)), 16));
  return fd;
}

function option(fd: number, name: number, value: Int32Array): void {
  did("setsockopt", libc.setsockopt(fd, socketLevel, name, ptr(value), value.byteLength));
}

/** struct sockaddr_in of 127.0.0.1. */
function address(port: number): Buffer {
  return Buffer.from([ipv4, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

function did(call: string, result: number): number {
  if (result < 0) throw new Error(`${call} failed`);
  return result;
}
