/** node:fs, and the few calls of libc, as one simulated process has them: every call goes through `Kernel.enter`. */
import { constants } from "node:fs";
import { type Disk, failure, type Node } from "./disk.ts";

/** A process died, or the machine did: nothing of it goes on. */
export class Killed extends Error {}

/** What stands behind the calls. */
export interface Kernel {
  readonly disk: Disk;
  /** Before each call. Returns the errno with which it is to fail; throws Killed. */
  enter(process: ProcessState, call: string, path: string): string | undefined;
  /** After each call. */
  leave(process: ProcessState, outcome: string): void;
  /** Whether this barrier is left out. */
  leavesOut(call: string, path: string): boolean;
  /** Somebody opens a FIFO to write into it. False: nobody reads it. */
  wake(process: ProcessState): boolean;
}

interface Descriptor {
  node: Node;
  path: string;
  flags: number;
  position: number;
  /** For a pipe: what is in it. */
  pipe?: Pipe;
}

export interface Pipe {
  bytes: Buffer;
  /** Called when somebody reads and there is nothing. */
  fill: (() => void) | undefined;
}

/** Of open(2); Node has no name for it. */
const O_TMPFILE = 0o20000000;

/** A process to its calls. Threads share descriptors. */
export interface ProcessState {
  readonly name: string;
  readonly pid: number;
  cwd: string;
  dead: boolean;
  /** In the middle of a call. */
  inCall: boolean;
  readonly table: Table;
}

/** What is open. */
export interface Table {
  readonly open: Map<number, Descriptor>;
  next: number;
}

const {
  O_CREAT,
  O_EXCL,
  O_APPEND,
  O_TRUNC,
  O_DIRECTORY,
  O_ACCMODE = 3,
  O_RDONLY,
} = constants as typeof constants & {
  O_ACCMODE?: number;
};

const words: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  wx: constants.O_WRONLY | O_CREAT | O_EXCL,
  w: constants.O_WRONLY | O_CREAT | O_TRUNC,
};

type Path = string | Uint8Array;
interface StatOptions {
  bigint?: boolean;
  throwIfNoEntry?: boolean;
}

/** Locks of open files, by file. */
export class Locks {
  readonly holders = new Map<Node, Descriptor>();
}

const device = 7;

export function callsOf(kernel: Kernel, state: ProcessState, locks: Locks) {
  const { disk } = kernel;

  function absolute(path: Path): string {
    const text = typeof path === "string" ? path : Buffer.from(path).toString("latin1");
    if (text === "") throw failure("ENOENT", "path");
    const parts = (text.startsWith("/") ? text : `${state.cwd}/${text}`).split("/");
    return `/${parts.filter((part) => part !== "" && part !== ".").join("/")}`;
  }

  /** One call: what may happen before it, and then what it does. */
  function call<Result>(name: string, path: string, act: (fault: string | undefined) => Result): Result {
    if (state.dead) throw new Killed();
    state.inCall = true;
    let outcome = "";
    try {
      const fault = kernel.enter(state, name, path);
      if (fault !== undefined && name !== "fsync" && name !== "syncfs") throw failure(fault, name, path);
      const result = act(fault);
      if (typeof result === "number") outcome = ` = ${result}`;
      return result;
    } catch (thrown) {
      if (thrown instanceof Error && "code" in thrown) outcome = ` = ${thrown.code}`;
      throw thrown;
    } finally {
      state.inCall = false;
      kernel.leave(state, outcome);
    }
  }

  function found(path: string, name: string): Node {
    const node = disk.find(path);
    if (node === undefined) throw failure("ENOENT", name, path);
    return node;
  }

  function descriptor(fd: number): Descriptor {
    if (state.dead) throw new Killed();
    const open = state.table.open.get(fd);
    if (open === undefined) throw failure("EBADF", "descriptor", String(fd));
    return open;
  }

  function add(open: Descriptor): number {
    const fd = state.table.next++;
    state.table.open.set(fd, open);
    return fd;
  }

  function openSync(given: Path, flag: number | string = "r"): number {
    const path = absolute(given);
    const flags = typeof flag === "number" ? flag : (words[flag] ?? O_RDONLY);
    const creates = (flags & O_CREAT) !== 0;
    // No disk here gives up its journal: what mustTakeWrites looks for is tested where it is.
    if ((flags & O_TMPFILE) !== 0) throw failure("EOPNOTSUPP", "open", path);
    return call(creates ? "create" : "open", path, () => {
      let node = disk.find(path);
      if (node !== undefined && creates && (flags & O_EXCL) !== 0) throw failure("EEXIST", "open", path);
      if (node === undefined && !creates) throw failure("ENOENT", "open", path);
      node ??= disk.create(path);
      if ((flags & O_DIRECTORY) !== 0 && node.kind !== "directory") throw failure("ENOTDIR", "open", path);
      if (node.kind === "fifo" && (flags & O_ACCMODE) === constants.O_WRONLY && !kernel.wake(state))
        throw failure("ENXIO", "open", path);
      if ((flags & O_TRUNC) !== 0 && node.data.length > 0) disk.truncate(node, 0);
      disk.opened(node);
      return add({ node, path, flags, position: 0 });
    });
  }

  function closeSync(fd: number): void {
    const open = descriptor(fd);
    call("close", open.path, () => close(fd, open));
  }

  function close(fd: number, open: Descriptor): void {
    state.table.open.delete(fd);
    if (locks.holders.get(open.node) === open) locks.holders.delete(open.node);
    if (open.pipe === undefined) disk.closed(open.node);
  }

  function readSync(
    fd: number,
    buffer: Uint8Array,
    offset = 0,
    length = buffer.length - offset,
    at: number | null = null,
  ) {
    const open = descriptor(fd);
    return call("read", open.path, () => {
      if (open.pipe !== undefined) return readPipe(open.pipe, buffer.subarray(offset, offset + length));
      const start = at ?? open.position;
      const piece = open.node.data.subarray(start, start + length);
      buffer.set(piece, offset);
      if (at === null) open.position += piece.length;
      return piece.length;
    });
  }

  function readPipe(pipe: Pipe, into: Uint8Array): number {
    if (pipe.bytes.length === 0) pipe.fill?.();
    const piece = pipe.bytes.subarray(0, into.length);
    into.set(piece);
    pipe.bytes = pipe.bytes.subarray(piece.length);
    return piece.length;
  }

  /** As node:fs has it: bytes with offset, length and position, or a text with position and encoding. */
  function writeSync(
    fd: number,
    what: Uint8Array | string,
    from?: number,
    length?: number | string,
    at?: number,
  ): number {
    const open = descriptor(fd);
    const isText = typeof what === "string";
    const bytes = isText
      ? Buffer.from(what, (length as BufferEncoding | undefined) ?? "utf8")
      : what.subarray(from ?? 0, (from ?? 0) + ((length as number | undefined) ?? what.length - (from ?? 0)));
    const place = isText ? from : at;
    return call("write", open.path, () => {
      if (open.pipe !== undefined) {
        open.pipe.bytes = Buffer.concat([open.pipe.bytes, bytes]);
        return bytes.length;
      }
      if (open.node.kind === "fifo") return bytes.length;
      const appends = (open.flags & O_APPEND) !== 0;
      const position = place ?? (appends ? open.node.data.length : open.position);
      disk.write(open.node, bytes, position);
      if (place === undefined) open.position = position + bytes.length;
      return bytes.length;
    });
  }

  function statusOf(node: Node, { bigint = false }: StatOptions = {}) {
    const number = (value: number | bigint) => (bigint ? BigInt(value) : Number(value));
    const modified = Number(node.modified / 1000n) / 1000;
    return {
      ino: number(node.number),
      dev: number(device),
      size: number(node.data.length),
      nlink: number(node.links),
      mode: number({ directory: 0o40755, file: 0o100644, fifo: 0o10644 }[node.kind]),
      uid: number(1000),
      gid: number(1000),
      atimeMs: node.accessed,
      mtimeMs: modified,
      mtimeNs: node.modified,
      atime: new Date(node.accessed),
      mtime: new Date(modified),
      isFile: () => node.kind === "file",
      isDirectory: () => node.kind === "directory",
      isFIFO: () => node.kind === "fifo",
    };
  }

  function statSync(given: Path, options: StatOptions = {}) {
    const path = absolute(given);
    return call("stat", path, () => {
      const node = disk.find(path);
      if (node === undefined && options.throwIfNoEntry === false) return undefined;
      return statusOf(node ?? found(path, "stat"), options);
    });
  }

  function readdirSync(given: Path, options: { encoding?: string; withFileTypes?: boolean } = {}) {
    const path = absolute(given);
    return call("readdir", path, () => {
      const directory = found(path, "readdir");
      if (directory.kind !== "directory") throw failure("ENOTDIR", "readdir", path);
      const names = disk.names(directory);
      if (options.encoding === "buffer") return names.map((name) => Buffer.from(name, "latin1"));
      if (options.withFileTypes !== true) return names;
      return names.map((name) => {
        const kind = directory.entries.get(name)?.kind;
        return { name, isFile: () => kind === "file", isDirectory: () => kind === "directory" };
      });
    });
  }

  function fsyncSync(fd: number): void {
    const { node, path } = descriptor(fd);
    call("fsync", path, (fault) => {
      if (kernel.leavesOut(node.kind === "directory" ? "fsync directory" : "fsync", path)) return;
      if (node.kind === "directory") disk.syncDirectory(node, fault !== undefined);
      else disk.syncFile(node, fault !== undefined);
    });
  }

  const seconds = (time: number | Date): number => (typeof time === "number" ? time * 1000 : time.getTime());
  function setTimes(node: Node, accessed: number | Date, modified: number | Date): void {
    disk.touch(node, seconds(accessed), BigInt(Math.floor(seconds(modified) * 1000)) * 1000n);
  }

  function onPath(name: string, given: Path, act: (path: string) => void): void {
    const path = absolute(given);
    call(name, path, () => act(path));
  }

  const refuse = (name: string) => (): never => {
    throw new Error(`simulator: no ${name} here`);
  };

  const fs = {
    constants,
    openSync,
    closeSync,
    readSync,
    writeSync,
    statSync,
    lstatSync: statSync,
    fstatSync: (fd: number, options?: StatOptions) => {
      const { node, path } = descriptor(fd);
      return call("fstat", path, () => statusOf(node, options));
    },
    readdirSync,
    fsyncSync,
    readFileSync: (given: Path, encoding?: BufferEncoding) => {
      const path = absolute(given);
      return call("read", path, () => {
        const { data } = found(path, "open");
        return encoding === undefined ? data : data.toString(encoding);
      });
    },
    linkSync: (from: Path, to: Path) => {
      const target = absolute(to);
      call("link", target, () => disk.link(found(absolute(from), "link"), target));
    },
    renameSync: (from: Path, to: Path) => {
      const target = absolute(to);
      call("rename", target, () => disk.rename(absolute(from), target));
    },
    unlinkSync: (given: Path) => onPath("unlink", given, (path) => disk.unlink(path)),
    mkdirSync: (given: Path) =>
      onPath("mkdir", given, (path) => {
        if (disk.find(path) !== undefined) throw failure("EEXIST", "mkdir", path);
        disk.create(path, "directory");
      }),
    rmdirSync: (given: Path) => onPath("rmdir", given, (path) => disk.unlink(path)),
    ftruncateSync: (fd: number, length = 0) => {
      const { node, path } = descriptor(fd);
      call("ftruncate", path, () => disk.truncate(node, length));
    },
    utimesSync: (given: Path, accessed: number | Date, modified: number | Date) =>
      onPath("utimes", given, (path) => setTimes(found(path, "utimes"), accessed, modified)),
    futimesSync: (fd: number, accessed: number | Date, modified: number | Date) => {
      const { node, path } = descriptor(fd);
      call("utimes", path, () => setTimes(node, accessed, modified));
    },
    chmodSync: () => {},
    fchmodSync: () => {},
    chownSync: () => {},
    fchownSync: () => {},
    lchownSync: () => {},
    existsSync: (given: Path) => disk.find(absolute(given)) !== undefined,
    accessSync: refuse("accessSync"),
  };

  const libc = {
    syncFileSystem: (fd: number) => {
      const { path } = descriptor(fd);
      call("syncfs", path, (fault) => {
        if (!kernel.leavesOut("syncfs", "")) disk.syncAll(fault !== undefined);
      });
    },
    pipe: (): [number, number] => {
      const pipe: Pipe = { bytes: Buffer.alloc(0), fill: undefined };
      const node = disk.root;
      const open = () => ({ node, path: "pipe", flags: 0, position: 0, pipe });
      return [add(open()), add(open())];
    },
    /** flock(2), which never waits here. */
    flock: (fd: number): number => {
      const open = descriptor(fd);
      const holder = locks.holders.get(open.node);
      if (holder !== undefined && holder !== open) return -1;
      locks.holders.set(open.node, open);
      return 0;
    },
    pipeOf: (fd: number): Pipe | undefined => descriptor(fd).pipe,
  };

  return { fs, libc };
}

/** Everything that a process has open is closed, as when it ends. */
export function closeAll(disk: Disk, state: ProcessState, locks: Locks): void {
  for (const open of state.table.open.values()) {
    if (locks.holders.get(open.node) === open) locks.holders.delete(open.node);
    if (open.pipe === undefined) disk.closed(open.node);
  }
  state.table.open.clear();
}
