/**
 * The few calls of libc that the runtime does not offer. Loading costs about 2 ms, so nothing is loaded before its
 * first use. Each throws an error with `code`, as node:fs does.
 */
import type { Pointer } from "bun:ffi";
import { closeSync, fstatSync, readFileSync } from "node:fs";
import { errorName, errorText } from "./errors.ts";

let foreign: typeof import("bun:ffi") | undefined;

/** The runtime's way to libc. Not imported: programs for one message seldom need it. */
function ffi(): typeof import("bun:ffi") {
  foreign ??= process.getBuiltinModule("bun:ffi") as typeof import("bun:ffi");
  return foreign;
}

/** Where bytes lie. They have to be referenced for as long as that is used. */
export function ptr(bytes: NodeJS.TypedArray | DataView): Pointer {
  return ffi().ptr(bytes);
}

/** A byte of memory that is not ours. */
export function byteAt(address: Pointer, offset: number): number {
  return ffi().read.u8(address, offset);
}

function open() {
  const { dlopen, FFIType } = ffi();
  const { i32, u32, ptr: pointer, i64, u64 } = FFIType;
  return dlopen("libc.so.6", {
    __errno_location: { args: [], returns: pointer },
    flock: { args: [i32, i32], returns: i32 },
    pipe2: { args: [pointer, i32], returns: i32 },
    mkfifo: { args: [pointer, u32], returns: i32 },
    syncfs: { args: [i32], returns: i32 },
    sync_file_range: { args: [i32, i64, i64, u32], returns: i32 },
    syscall: { args: [i64, pointer, i32, i32, pointer, pointer, i32], returns: i64 },
    mmap: { args: [pointer, u64, i32, i32, i32, i64], returns: pointer },
    poll: { args: [pointer, u64, i32], returns: i32 },
    dup2: { args: [i32, i32], returns: i32 },
    fcntl: { args: [i32, i32, i32], returns: i32 },
    alarm: { args: [u32], returns: u32 },
    gethostname: { args: [pointer, u64], returns: i32 },
    getpwnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
    getpwuid_r: { args: [u32, pointer, pointer, u64, pointer], returns: i32 },
    getspnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
    getgrnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
    chdir: { args: [pointer], returns: i32 },
    openlog: { args: [pointer, i32, i32], returns: FFIType.void },
    syslog: { args: [i32, pointer, pointer], returns: FFIType.void },
    gettimeofday: { args: [pointer, pointer], returns: i32 },
    signal: { args: [i32, pointer], returns: pointer },
    sigprocmask: { args: [i32, pointer, pointer], returns: i32 },
    localtime_r: { args: [pointer, pointer], returns: pointer },
    execve: { args: [pointer, pointer, pointer], returns: i32 },
    lseek: { args: [i32, i64, i32], returns: i64 },
    socket: { args: [i32, i32, i32], returns: i32 },
    connect: { args: [i32, pointer, u32], returns: i32 },
    bind: { args: [i32, pointer, u32], returns: i32 },
    listen: { args: [i32, i32], returns: i32 },
    getsockname: { args: [i32, pointer, pointer], returns: i32 },
    getpeername: { args: [i32, pointer, pointer], returns: i32 },
    getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
    setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
    shutdown: { args: [i32, i32], returns: i32 },
    socketpair: { args: [i32, i32, i32, pointer], returns: i32 },
    sendmsg: { args: [i32, pointer, i32], returns: i64 },
    recvmsg: { args: [i32, pointer, i32], returns: i64 },
  }).symbols;
}

let loaded: ReturnType<typeof open> | undefined;

/** The symbols of libc, opened at the first use. */
export function libc(): ReturnType<typeof open> {
  loaded ??= open();
  return loaded;
}

/** The current errno. Only meaningful directly after a failed call. */
export function errno(): number {
  const location = libc().__errno_location();
  return location === null ? 0 : ffi().read.i32(location, 0);
}

/** An error with the errno's name as `code`, as node:fs throws it. */
export function systemError(call: string, number: number): Error {
  const name = errorName(number);
  return Object.assign(new Error(`${name}: ${errorText(number)}, ${call}`), {
    code: name,
    errno: -number,
    syscall: call,
  });
}

export { errorText };

/** Throws if a call returned -1. */
export function checked(call: string, result: number): number {
  if (result === -1) throw systemError(call, errno());
  return result;
}

/** A path or name as a NUL-terminated string for libc. Keep the buffer referenced during the call. */
export function zeroTerminated(text: string | Uint8Array): Buffer {
  return Buffer.concat([typeof text === "string" ? Buffer.from(text) : text, Buffer.of(0)]);
}

/** Waits until fd can be read (or written), at most `milliseconds` (-1: for ever). False: the time is over. */
export function waitFor(fd: number, direction: "read" | "write", milliseconds = -1): boolean {
  const entry = new Int32Array([fd, direction === "read" ? 1 : 4]);
  for (;;) {
    const result = libc().poll(ptr(entry), 1, milliseconds);
    if (result >= 0) return result > 0;
    const number = errno();
    if (errorName(number) !== "EINTR") throw systemError("poll", number);
  }
}

/** A pipe whose ends close on exec: [read end, write end]. */
export function pipe(): [number, number] {
  const closeOnExec = 0o2000000;
  const ends = new Int32Array(2);
  checked("pipe2", libc().pipe2(ptr(ends), closeOnExec));
  return [ends[0] ?? -1, ends[1] ?? -1];
}

/** Puts a copy of `fd` in the place of `target`; the copy stays open on exec. */
export function duplicateTo(fd: number, target: number): void {
  checked("dup2", libc().dup2(fd, target));
}

/** The same open file under the lowest free number from `least` on, closing on exec; `fd` is closed. */
export function moveAbove(fd: number, least: number): number {
  if (fd >= least) return fd;
  const duplicateCloseOnExec = 1030;
  const moved = checked("fcntl", libc().fcntl(fd, duplicateCloseOnExec, least));
  closeSync(fd);
  return moved;
}

/**
 * Turns this process into another program: same process number and working directory, and every descriptor that
 * duplicateTo() made (process.execve would close all but 0 to 2). `words` are its arguments from 0 on, `variables` its
 * environment (`NAME=value` each). Returns only by throwing.
 */
export function executeWith(
  program: string,
  words: readonly Uint8Array[],
  variables: readonly Uint8Array[],
): never {
  const path = zeroTerminated(program);
  const [list, environment] = [pointers(words), pointers(variables)];
  checked("execve", libc().execve(ptr(path), ptr(list), ptr(environment)));
  throw new Error("execve returned");
}

/** Strings that the kernel is about to read: referenced, so that they stay where they are. */
const kept: Buffer[] = [];

/** A list of strings as execve(2) wants it. */
function pointers(texts: readonly (string | Uint8Array)[]): BigUint64Array {
  const strings = texts.map(zeroTerminated);
  kept.push(...strings);
  return BigUint64Array.from([...strings.map((text) => BigInt(ptr(text))), 0n]);
}

/** Makes writing and reading return at once with EAGAIN, for everybody who shares the open file. */
export function setNonBlocking(fd: number): void {
  const [getFlags, setFlags, nonBlocking] = [3, 4, 0o4000];
  const flags = checked("fcntl", libc().fcntl(fd, getFlags, 0));
  checked("fcntl", libc().fcntl(fd, setFlags, flags | nonBlocking));
}

/** Ends a connection both ways for every process that has it. One that has ended already is none to complain about. */
export function shutDown(socket: number): void {
  const bothWays = 2;
  if (libc().shutdown(socket, bothWays) === 0) return;
  const number = errno();
  if (errorName(number) !== "ENOTCONN") throw systemError("shutdown", number);
}

/** Makes writing and reading wait, for everybody who shares the open file. */
export function setBlocking(fd: number): void {
  const [getFlags, setFlags, nonBlocking] = [3, 4, 0o4000];
  const flags = checked("fcntl", libc().fcntl(fd, getFlags, 0));
  checked("fcntl", libc().fcntl(fd, setFlags, flags & ~nonBlocking));
}

/** Makes a directory the current one, whatever bytes its name has. */
export function changeDirectory(path: Uint8Array): void {
  const text = Buffer.from(path).toString();
  // The runtime has no errno for an empty name.
  if (text !== "" && Buffer.from(text).equals(path)) process.chdir(text);
  else checked("chdir", libc().chdir(ptr(zeroTerminated(path))));
}

/** Moves the offset of an open file to its beginning, for everybody who shares the open file. ESPIPE: not a file. */
export function rewind(fd: number): void {
  if (atStart(fd)) return;
  const fromStart = 0;
  if (libc().lseek(fd, 0, fromStart) === -1n) throw systemError("lseek", errno());
}

/** Whether a descriptor is a regular file, or a directory, whose offset is 0. Costs less than loading libc. */
function atStart(fd: number): boolean {
  const status = fstatSync(fd);
  if (!status.isFile() && !status.isDirectory()) return false;
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, "latin1").startsWith("pos:\t0\n");
  } catch {
    return false; // Without /proc, lseek has to do it.
  }
}

/** Makes a FIFO; EEXIST if the name is taken. */
export function makeFifo(path: string, mode: number): void {
  checked("mkfifo", libc().mkfifo(ptr(zeroTerminated(path)), mode));
}

/** Makes everything written to the file system of `fd` durable. */
export function syncFileSystem(fd: number): void {
  checked("syncfs", libc().syncfs(fd));
}

/**
 * Has the disk begin with what is written to a file, and waits for nothing. Nothing is promised, and nothing is told:
 * what fails is the flush's to tell.
 */
export function beginWriting(fd: number): void {
  const write = 2;
  libc().sync_file_range(fd, 0, 0, write);
}

/** The host's name, as gethostname(2) gives it. */
export function hostName(): Buffer {
  const name = Buffer.alloc(256);
  checked("gethostname", libc().gethostname(ptr(name), name.length - 1));
  return name.subarray(0, name.indexOf(0));
}

/** Ends the process by SIGALRM after `seconds`; 0 takes it back (alarm(2)). */
export function alarm(seconds: number): void {
  libc().alarm(seconds);
}
