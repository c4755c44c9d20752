/** Starting a program with exactly the descriptors, bytes and ids that a case asks for. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { constants as os } from "node:os";
import { isSystemError } from "../../src/core/exit.ts";
import { libc, pipe } from "../../src/core/sys/libc.ts";

import type { Cut } from "./modes.ts";

/** Strings are latin1: one character, one byte. */
export interface Launch {
  file: string;
  argv0: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  directory: string;
  /** The child's descriptors 0, 1, 2, ... */
  descriptors: readonly number[];
  closed: readonly number[];
  umask: number;
  ids?: { uid: number; gid: number };
}

/** An exit code, or "signal N", or "running" if the time was up. */
export type Exit = number | string;

export interface Running {
  pid: number;
  /** Set as soon as the program ended. */
  exit: () => Exit | undefined;
  /** Waits; a program that outlives `seconds` is killed. */
  ended: (seconds: number) => Promise<Exit>;
  kill: (signal: NodeJS.Signals) => void;
}

/** Starts it; the caller closes its own copies of the descriptors. */
export function launch(how: Launch): Running {
  const plain = how.closed.length === 0 && [...how.argv, ...Object.values(how.environment)].every(isUtf8);
  const command = plain ? [how.file, ...how.argv.map(utf8)] : ["/bin/sh", "-c", script(how)];
  const environment = Object.entries(how.environment).filter(([, value]) => isUtf8(value));
  const inherited = process.umask(how.umask);
  const options = {
    stdio: [...how.descriptors] as [number, number, number],
    env: Object.fromEntries(environment.map(([name, value]) => [name, utf8(value)])),
    cwd: how.directory,
    ...(plain ? { argv0: how.argv0 } : {}),
    ...how.ids,
  };
  try {
    return running(Bun.spawn(command, options));
  } finally {
    process.umask(inherited);
  }
}

function running(child: Bun.Subprocess): Running {
  const exit = () => {
    const signal = child.signalCode;
    if (signal !== null) return `signal ${typeof signal === "number" ? signal : os.signals[signal]}`;
    return child.exitCode ?? undefined;
  };
  return {
    pid: child.pid,
    exit,
    ended: async (seconds) => {
      let late = false;
      const timer = setTimeout(() => {
        late = child.exitCode === null && child.signalCode === null;
        child.kill("SIGKILL");
      }, seconds * 1000);
      await child.exited;
      clearTimeout(timer);
      return late ? "running" : (exit() ?? "running");
    },
    kill: (signal) => child.kill(signal),
  };
}

const utf8 = (text: string): string => Buffer.from(text, "latin1").toString("utf8");

function isUtf8(text: string): boolean {
  return Buffer.from(utf8(text)).toString("latin1") === text;
}

/** A shell script that closes descriptors, rebuilds all arguments and variables from octal digits and executes. */
function script({ file, argv, environment, closed }: Launch): string {
  const bytes = (text: string) =>
    Array.from(text, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  const assign = (name: string, text: string) =>
    `${name}=$(printf '${bytes(text).join("")}.'); ${name}=\${${name}%.}`;
  const variables = Object.entries(environment).filter(([, value]) => !isUtf8(value));
  const words = argv.map((_, index) => `"$a${index}"`);
  return [
    ...variables.map(([name, value]) => `${assign(name, value)}; export ${name}`),
    ...argv.map((word, index) => assign(`a${index}`, word)),
    `exec '${file}' ${words.join(" ")} ${closed.map((fd) => `${fd}<&-`).join(" ")}`,
  ].join("\n");
}

/** A pipe whose reader gets all the bytes; the writing end stays with us until close(). */
export interface Source {
  reader: number;
  close: () => void;
}

const setStatusFlags = 4;
const setPipeSize = 1031;

/** Fills a pipe. What does not fit at once is written as the reader makes room; `hold`: no end of file. */
export function source(text: string, hold = false, cut: Cut = "whole"): Source {
  const [reader, writer] = pipe();
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length > 65536) libc().fcntl(writer, setPipeSize, 1 << 20);
  nonBlocking(writer);
  let open = true;
  const close = () => {
    if (open) closeSync(writer);
    open = false;
  };
  const feed = (from: number) => {
    if (!open) return;
    const sent = writeSome(writer, bytes.subarray(from, cut === "bytes" ? from + 1 : bytes.length));
    if (sent === undefined || (from + sent === bytes.length && !hold)) close();
    else if (from + sent < bytes.length && sent > 0 && cut === "bytes") setImmediate(() => feed(from + sent));
    else if (from + sent < bytes.length) setTimeout(() => feed(from + sent), 1);
  };
  feed(0);
  return { reader, close };
}

/** Bytes written, perhaps none; undefined if nobody reads any more. */
export function writeSome(fd: number, bytes: Uint8Array): number | undefined {
  try {
    return bytes.length === 0 ? 0 : writeSync(fd, bytes);
  } catch (failure) {
    if (isSystemError(failure, "EAGAIN")) return 0;
    if (isSystemError(failure, "EPIPE")) return undefined;
    throw failure;
  }
}

export function nonBlocking(fd: number): void {
  libc().fcntl(fd, setStatusFlags, constants.O_NONBLOCK);
}

/** An empty file that a program appends its output to. */
export function outputFile(path: string): number {
  return openSync(path, "a", 0o600);
}
