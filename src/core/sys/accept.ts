/**
 * Taking clients in: TCP sockets as the runtime itself has them, which read into memory, write at once and tell what
 * happens. The streams of node:net around them cost more than a whole SMTP session does.
 */
import { ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { type Endpoint, localEndpoint } from "./endpoints.ts";
import { checked, libc, moveAbove, setNonBlocking, shutDown } from "./libc.ts";
import { bindTo, newSocket } from "./socket.ts";

const socketLevel = 1;
const reuseAddress = 2;
const reusePort = 15;
const acceptsConnections = 30;
const ipv6Level = 41;
const ipv6Only = 26;

/** Who is told what happens to a client's socket. */
export interface SocketUser {
  /** Bytes came, which are the user's own. */
  arrived(bytes: Buffer): void;
  /** The client sends no more, and may still read. */
  ended(): void;
  /** What write() did not take may be offered again. */
  writable(): void;
  /** It is closed, by whomever. Nothing more happens. */
  gone(): void;
}

/** A client's socket. What belongs to the other side is undefined when that is gone already. */
export interface ClientSocket {
  readonly fd: number;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  /** Returns how many bytes the kernel took; fewer than there are: writable() follows. Below 0: it is closed. */
  write(bytes: Uint8Array): number;
  /** Reads nothing more until resume(). */
  pause(): void;
  resume(): void;
  /** Sends no more; when the client has ended, too, the socket is closed. */
  shutdown(): void;
  close(): void;
}

/** An address that is listened on. */
export interface Listening {
  /** Our end, with the port that the kernel chose where none was given. */
  readonly endpoint: Endpoint;
  /** Takes nobody in any more. */
  stop(): void;
}

/** Is asked for the user of each client's socket, or closes it. */
export type Connected = (socket: ClientSocket) => SocketUser | undefined;

/** Listens on an address. Throws EADDRINUSE, EACCES, ... */
export function listenOn(place: Endpoint, backlog: number, connected: Connected): Listening {
  return listenWith(bound(place), backlog, connected);
}

/** Listens with a socket that has its address; it is closed when that ends or fails. */
export function listenWith(fd: number, backlog: number, connected: Connected): Listening {
  try {
    return { endpoint: localEndpoint(fd), stop: serve(fd, backlog, connected) };
  } catch (failure) {
    closeSync(fd);
    throw failure;
  }
}

/**
 * So many sockets that listen on one address; the kernel gives each client to one of them, by a hash of both ends. As
 * listenOn(), it fails where anybody else has the address: only one socket that shares it with nobody shows that.
 */
export function listenTogether(place: Endpoint, backlog: number, count: number): number[] {
  const alone = bound(place);
  const sockets: number[] = [];
  try {
    const { address, port } = localEndpoint(alone);
    while (sockets.length < count) sockets.push(bound({ address, port }, reusePort));
    for (const fd of sockets) startListening(fd, backlog);
    return sockets;
  } catch (failure) {
    for (const fd of sockets) closeSync(fd);
    throw failure;
  } finally {
    closeSync(alone);
  }
}

/** Clients may come: they wait until somebody accepts them. */
export function startListening(fd: number, backlog: number): void {
  checked("listen", libc().listen(fd, backlog));
}

/**
 * Nobody new waits at a socket, until it listens again. One that does not listen is left alone: the kernel would take its
 * shutdown for that of every connection it has later.
 */
export function stopListening(fd: number): void {
  const [listens, size] = [new Int32Array(1), Int32Array.of(4)];
  checked("getsockopt", libc().getsockopt(fd, socketLevel, acceptsConnections, ptr(listens), ptr(size)));
  if (listens[0] !== 0) shutDown(fd);
}

/**
 * A socket that we were started with, under another number: what is executed from here does not get it, and taking
 * clients in waits for none. Throws EBADF, ENOTSOCK, ...
 */
export function inheritedSocket(fd: number, least = fd + 1): number {
  localEndpoint(fd);
  setNonBlocking(fd);
  return moveAbove(fd, least);
}

/** A socket that has the address, `shared` with others that say so or with nobody. */
function bound({ address, port }: Endpoint, ...shared: number[]): number {
  const fd = newSocket("stream", address);
  try {
    for (const option of [reuseAddress, ...shared]) set(fd, socketLevel, option);
    if (address.length === 16) set(fd, ipv6Level, ipv6Only);
    bindTo(fd, address, port);
    return fd;
  } catch (failure) {
    closeSync(fd);
    throw failure;
  }
}

function set(fd: number, level: number, option: number): void {
  const on = Int32Array.of(1);
  checked("setsockopt", libc().setsockopt(fd, level, option, ptr(on), on.byteLength));
}

/** Hands the descriptor to the runtime; returns what ends that. */
function serve(fd: number, backlog: number, connected: Connected): () => void {
  startListening(fd, backlog);
  const options = {
    fd,
    // A client that sent all it had still hears the answers.
    allowHalfOpen: true,
    socket: {
      open: (socket) => {
        socket.data = connected(socket as unknown as ClientSocket);
      },
      data: (socket, bytes) => socket.data?.arrived(bytes),
      end: (socket) => socket.data?.ended(),
      drain: (socket) => socket.data?.writable(),
      close: (socket) => socket.data?.gone(),
      // What a user throws is a mistake in this program.
      error: (_, failure) =>
        queueMicrotask(() => {
          throw failure;
        }),
    } satisfies Bun.SocketHandler<SocketUser | undefined>,
  };
  // The runtime takes a descriptor, and its types do not say so.
  const server = Bun.listen(options as unknown as Bun.TCPSocketListenOptions<SocketUser | undefined>);
  // The runtime listens again, with a backlog of its own choice.
  startListening(fd, backlog);
  return () => server.stop();
}
