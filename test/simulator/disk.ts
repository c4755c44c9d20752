/**
 * A disk in memory, with what a power cut may leave of it. What was written or named is live at once; it is durable
 * when a sync said so, and until then a power cut keeps it, loses it, or tears it.
 *
 *   posix    of the changes of names that no sync of their directory covers, any subset is kept; syncing a file says
 *            nothing about its name
 *   journal  (ext4, XFS) changes of names are kept in their order, up to any point; syncing a file or a directory makes
 *            the last change that concerns it durable, and with it all before
 *   btrfs    as journal, but syncing a directory makes the changes in it durable without those before; syncing a file
 *            takes its new names along, or not
 *
 * What was written to a file and not synced is kept, lost or older, sector by sector, and so is its length, in every mode.
 * A sync that fails drops what it should have written, and the next one knows nothing of it.
 *
 * With a journal the number of a file is the next one's as soon as its last name and its last descriptor are gone. btrfs
 * never gives one twice; nor does posix, where it would lead to what no file system of Linux does: the removal of a
 * message's file is kept and its number given away, but the removal of its envelope before that is lost.
 */
import type { Random } from "./random.ts";

export const modes = ["posix", "journal", "btrfs"] as const;
export type Mode = (typeof modes)[number];
export type Kind = "file" | "directory" | "fifo";

const sector = 512;
const nothing = Buffer.alloc(0);

/** A failed system call, as node:fs throws it. */
export function failure(code: string, call: string, path = ""): Error {
  return Object.assign(new Error(`${code}: ${call} ${path}`), { code, errno: -1, syscall: call, path });
}

/** One change of names: all of it is kept or lost. */
interface Operation {
  changes: { directory: Node; name: string; from: Node | undefined; to: Node | undefined }[];
  durable: boolean;
  /** What gave a renamed file the name that it loses: a file does not arrive where it never set off. */
  needs: Operation[];
}

/** What an inode is. Buffers are never written to once they are here. */
export class Node {
  readonly kind: Kind;
  readonly number: number;
  links = 0;
  opens = 0;
  data: Buffer = nothing;
  modified: bigint;
  accessed: number;
  readonly entries = new Map<string, Node>();
  /** What a power cut can not take. */
  readonly safe = { data: nothing as Buffer, modified: 0n, accessed: 0, entries: new Map<string, Node>() };
  /** Sectors that the next sync writes; contents since the last one, the newest last. */
  dirty = new Set<number>();
  versions: Buffer[] = [];
  lengthChanged = false;
  /** Failures to write back, and up to which of them somebody was told. */
  errors = 0;
  told = 0;
  removals: Operation[] = [];
  /** Removals of the file that had this number before: its number is not free without them. */
  needs: Operation[] = [];

  constructor(kind: Kind, number: number, modified: bigint) {
    this.kind = kind;
    this.number = number;
    this.modified = modified;
    this.accessed = Number(modified / 1_000_000n);
    Object.assign(this.safe, { modified, accessed: this.accessed });
  }
}

/** What was decided about a power cut. */
export interface Cut {
  /** Which pending changes of names are kept. */
  names: readonly boolean[];
  /** How what was written is chosen: all of it, none, or sector by sector. */
  data: "kept" | "lost" | "mixed";
}

export class Disk {
  readonly mode: Mode;
  readonly root = new Node("directory", 2, 0n);
  /** Changes with everything that a power cut could tell. */
  version = 0;
  readonly #random: Random;
  #pending: Operation[] = [];
  #free: number[] = [];
  #next = 11;
  #tick = 0n;
  #before = new Map<number, Node>();
  /** Failures to write anything back (syncfs). */
  errors = 0;
  now: () => number = () => 0;

  constructor(mode: Mode, random: Random) {
    this.mode = mode;
    this.#random = random;
  }

  /** Directories, and files in them, that are there from the beginning. */
  furnish(path: string, kind: Kind = "directory"): void {
    const { directory, name } = this.parent(path);
    if (directory.entries.has(name)) return;
    const node = this.#allocate(kind);
    node.links = 1;
    directory.entries.set(name, node);
    directory.safe.entries.set(name, node);
  }

  find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of path.split("/")) if (name !== "") node = node?.entries.get(name);
    return node;
  }

  /** The directory of a path, and the name in it. */
  parent(path: string): { directory: Node; name: string } {
    const slash = path.lastIndexOf("/");
    const directory = this.find(path.slice(0, slash));
    if (directory === undefined) throw failure("ENOENT", "path", path);
    if (directory.kind !== "directory") throw failure("ENOTDIR", "path", path);
    return { directory, name: path.slice(slash + 1) };
  }

  create(path: string, kind: Kind = "file"): Node {
    const node = this.#allocate(kind);
    const { directory, name } = this.parent(path);
    this.#change([{ directory, name, to: node }]);
    return node;
  }

  link(node: Node, path: string): void {
    const { directory, name } = this.parent(path);
    if (directory.entries.has(name)) throw failure("EEXIST", "link", path);
    this.#change([{ directory, name, to: node }]);
  }

  unlink(path: string): void {
    const { directory, name } = this.parent(path);
    if (!directory.entries.has(name)) throw failure("ENOENT", "unlink", path);
    this.#change([{ directory, name, to: undefined }]);
  }

  rename(from: string, to: string): void {
    const [old, fresh] = [this.parent(from), this.parent(to)];
    const node = old.directory.entries.get(old.name);
    if (node === undefined) throw failure("ENOENT", "rename", from);
    if (fresh.directory.entries.get(fresh.name) === node) return;
    const named = this.#pending.findLast(({ changes }) =>
      changes.some(
        ({ directory, name, to }) => directory === old.directory && name === old.name && to === node,
      ),
    );
    const moved = [
      { ...fresh, to: node },
      { ...old, to: undefined },
    ];
    this.#change(moved, named === undefined ? [] : [named]);
  }

  /** The names in a directory, in an order of its own. */
  names(directory: Node): string[] {
    const place = (name: string): number => Number(Bun.hash.wyhash(name, BigInt(directory.number)) % 9973n);
    return [...directory.entries.keys()].sort((one, other) => place(one) - place(other));
  }

  write(node: Node, bytes: Uint8Array, at: number): void {
    const size = Math.max(node.data.length, at + bytes.length);
    const data = Buffer.alloc(size);
    data.set(node.data);
    data.set(bytes, at);
    this.#replace(node, data, Math.min(at, node.data.length), at + bytes.length);
  }

  truncate(node: Node, length: number): void {
    const data = Buffer.alloc(length);
    data.set(node.data.subarray(0, length));
    this.#replace(node, data, Math.min(length, node.data.length), Math.max(length, node.data.length));
  }

  touch(node: Node, accessed: number, modified: bigint): void {
    node.accessed = accessed;
    node.modified = modified;
    this.version++;
  }

  /** fsync(2) of a file. `fails`: it can not be written. */
  syncFile(node: Node, fails: boolean): void {
    this.#writeBack(node, fails);
    if (node.told < node.errors) {
      node.told = node.errors;
      throw failure("EIO", "fsync");
    }
    if (this.mode === "journal") this.#commitBefore((change) => change.to === node || change.from === node);
    if (this.mode === "btrfs" && this.#random.chance(0.5))
      this.#commit((operation) => operation.changes.some(({ to }) => to === node));
  }

  /** fsync(2) of a directory. */
  syncDirectory(node: Node, fails: boolean): void {
    if (fails) throw failure("EIO", "fsync");
    const concerns = (change: { directory: Node }): boolean => change.directory === node;
    if (this.mode === "journal") this.#commitBefore(concerns);
    else this.#commit((operation) => operation.changes.some(concerns));
  }

  /** syncfs(2). */
  syncAll(fails = false): void {
    for (const node of this.#all())
      if (node.kind === "file") this.#writeBack(node, fails && this.#random.chance(0.5));
    if (fails) throw failure("EIO", "syncfs");
    this.#commit(() => true);
  }

  /** The system writes a file back by itself; it may fail, which the next sync of the file tells. */
  writeBackSome(fails = false): void {
    const files = [...this.#all()].filter(({ dirty }) => dirty.size > 0);
    const file = files[this.#random.below(Math.max(files.length, 1))];
    if (file !== undefined) this.#writeBack(file, fails);
  }

  opened(node: Node): void {
    node.opens++;
  }

  closed(node: Node): void {
    node.opens--;
    this.#release(node);
  }

  /** How many changes of names a power cut may take. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Power cuts that this disk can have now: all of them if they are few. */
  cuts(most: number, random: Random): Cut[] {
    const count = this.#pending.length;
    const data = ["kept", "lost", "mixed"] as const;
    const prefixes = count + 1;
    const choices = this.mode === "posix" ? 2 ** Math.min(count, 20) : prefixes;
    if (choices * data.length <= most)
      return Array.from({ length: choices }, (_, choice) => this.#names(choice)).flatMap((names) =>
        data.map((each) => ({ names, data: each })),
      );
    return Array.from({ length: most }, () => ({ names: this.#someNames(random), data: random.of(data) }));
  }

  /** Without the operations that this one keeps, it could not be. */
  #names(choice: number): boolean[] {
    return this.#pending.map((_, index) =>
      this.mode === "posix" ? (choice >> index) % 2 === 1 : index < choice,
    );
  }

  #someNames(random: Random): boolean[] {
    if (this.mode !== "posix") return this.#names(random.below(this.#pending.length + 1));
    const probability = random.of([0, 0.2, 0.5, 0.8, 1]);
    return this.#pending.map(() => random.chance(probability));
  }

  /** What is on the disk when the power is back. */
  after(cut: Cut, random: Random): Disk {
    const kept = this.#pending.map((operation, index) => operation.durable || cut.names[index] === true);
    for (let index = kept.length - 1; index >= 0; index--)
      if (kept[index])
        this.#require(this.#pending[index], (needed) => kept.splice(this.#pending.indexOf(needed), 1, true));
    const entries = new Map<Node, Map<string, Node>>();
    const of = (directory: Node): Map<string, Node> => {
      const known = entries.get(directory) ?? new Map(directory.safe.entries);
      entries.set(directory, known);
      return known;
    };
    for (const [index, { changes }] of this.#pending.entries())
      if (kept[index])
        for (const { directory, name, to } of changes)
          if (to === undefined) of(directory).delete(name);
          else of(directory).set(name, to);
    return this.#rebuilt(of, (node) => survivor(node, cut, random), random);
  }

  #rebuilt(
    of: (directory: Node) => Map<string, Node>,
    contentOf: (node: Node) => Survivor,
    random: Random,
  ): Disk {
    const disk = new Disk(this.mode, random);
    const copies = new Map<Node, Node>();
    const copy = (node: Node): Node => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      const { data, modified, accessed } = contentOf(node);
      const made = new Node(node.kind, node.number, modified);
      Object.assign(made, { data, accessed });
      Object.assign(made.safe, { data, modified, accessed });
      copies.set(node, made);
      if (node.kind === "directory") disk.#fill(made, of(node), copy);
      return made;
    };
    disk.#fill(disk.root, of(this.root), copy);
    const taken = new Set([...copies.values()].map(({ number }) => number));
    if (taken.size !== copies.size) throw new Error("simulator: two files with one number");
    disk.#next = this.#next;
    disk.#free = Array.from({ length: this.#next - 11 }, (_, index) => index + 11).filter(
      (each) => !taken.has(each),
    );
    disk.#tick = this.#tick;
    return disk;
  }

  #fill(directory: Node, entries: ReadonlyMap<string, Node>, copy: (node: Node) => Node): void {
    for (const [name, node] of entries) {
      const made = copy(node);
      made.links++;
      directory.entries.set(name, made);
      directory.safe.entries.set(name, made);
    }
  }

  /** Everything on it, for telling states apart: names, numbers, contents. */
  signature(): string {
    const parts: string[] = [];
    const visit = (node: Node, path: string): void => {
      if (node.kind !== "directory") parts.push(`${path} ${node.number} ${Bun.hash(node.data)}`);
      for (const [name, entry] of [...node.entries].sort(([one], [other]) => (one < other ? -1 : 1)))
        visit(entry, `${path}/${name}`);
    };
    visit(this.root, "");
    return parts.join("\n");
  }

  /** All paths of files below a directory, with their files. */
  *filesBelow(path: string): Generator<readonly [string, Node]> {
    for (const [name, node] of this.find(path)?.entries ?? [])
      if (node.kind === "directory") yield* this.filesBelow(`${path}/${name}`);
      else yield [`${path}/${name}`, node];
  }

  time(): bigint {
    this.#tick = (this.#tick + 1n) % 1_000_000n;
    return BigInt(Math.floor(this.now())) * 1_000_000n + this.#tick;
  }

  *#all(directory: Node = this.root, seen = new Set<Node>()): Generator<Node> {
    for (const node of directory.entries.values()) {
      if (seen.has(node)) continue;
      seen.add(node);
      yield node;
      yield* this.#all(node, seen);
    }
  }

  #allocate(kind: Kind): Node {
    // The lowest, as ext4 does in a directory's group: soon after it was freed.
    this.#free.sort((one, other) => one - other);
    const number = (this.mode === "journal" ? this.#free.shift() : undefined) ?? this.#next++;
    const node = new Node(kind, number, this.time());
    const before = this.#before.get(number);
    if (before !== undefined) node.needs = [...before.needs, ...before.removals];
    return node;
  }

  #release(node: Node): void {
    if (node.links > 0 || node.opens > 0 || node.kind !== "file") return;
    this.#free.push(node.number);
    this.#before.set(node.number, node);
  }

  #change(changes: { directory: Node; name: string; to: Node | undefined }[], needs: Operation[] = []): void {
    const operation: Operation = { changes: [], durable: false, needs };
    const released: Node[] = [];
    for (const { directory, name, to } of changes) {
      const from = directory.entries.get(name);
      operation.changes.push({ directory, name, from, to });
      if (from !== undefined) {
        from.links--;
        from.removals.push(operation);
        released.push(from);
      }
      if (to === undefined) {
        directory.entries.delete(name);
      } else {
        directory.entries.set(name, to);
        to.links++;
      }
    }
    for (const node of released) this.#release(node);
    this.#pending.push(operation);
    this.version++;
  }

  #replace(node: Node, data: Buffer, from: number, to: number): void {
    if (data.length !== node.data.length) node.lengthChanged = true;
    node.data = data;
    node.modified = this.time();
    node.versions.push(data);
    for (let index = Math.floor(from / sector); index * sector < to; index++) node.dirty.add(index);
    this.version++;
  }

  #writeBack(node: Node, fails: boolean): void {
    if (node.dirty.size > 0 || node.lengthChanged) {
      const written = [...node.dirty].filter(() => !fails || this.#random.chance(0.3));
      const length = node.lengthChanged && !fails ? node.data.length : node.safe.data.length;
      node.safe.data = patched(node.safe.data, length, written, node.data);
    }
    if (fails) node.errors++;
    if (fails) this.errors++;
    node.dirty = new Set();
    node.versions = [];
    node.lengthChanged = false;
    if (!fails) Object.assign(node.safe, { modified: node.modified, accessed: node.accessed });
    this.version++;
  }

  #commitBefore(concerns: (change: Operation["changes"][number]) => boolean): void {
    const last = this.#pending.findLastIndex(({ changes }) => changes.some(concerns));
    for (const operation of this.#pending.slice(0, last + 1)) operation.durable = true;
    this.#fold();
  }

  #commit(chosen: (operation: Operation) => boolean): void {
    for (const operation of [...this.#pending].reverse())
      if (operation.durable || chosen(operation)) {
        operation.durable = true;
        this.#require(operation, (needed) => {
          needed.durable = true;
        });
      }
    this.#fold();
  }

  /** A number is given away once: whoever keeps its second file keeps the removal of the first. */
  #require(operation: Operation | undefined, keep: (needed: Operation) => void): void {
    const needs = [
      ...(operation?.needs ?? []),
      ...(operation?.changes ?? []).flatMap(({ to }) => to?.needs ?? []),
    ];
    for (const needed of needs) if (this.#pending.includes(needed)) keep(needed);
  }

  /** What is durable without anything pending before it. */
  #fold(): void {
    this.version++;
    while (this.#pending[0]?.durable)
      for (const { directory, name, to } of this.#pending.shift()?.changes ?? [])
        if (to === undefined) directory.safe.entries.delete(name);
        else directory.safe.entries.set(name, to);
  }
}

interface Survivor {
  data: Buffer;
  modified: bigint;
  accessed: number;
}

function patched(old: Buffer, length: number, sectors: readonly number[], from: Buffer): Buffer {
  const data = Buffer.alloc(length);
  data.set(old.subarray(0, length));
  for (const index of sectors) {
    const piece = from.subarray(index * sector, Math.min((index + 1) * sector, length));
    data.fill(0, index * sector, Math.min((index + 1) * sector, length));
    data.set(piece, Math.min(index * sector, length));
  }
  return data;
}

/** What a power cut leaves of a file's content. */
function survivor(node: Node, { data: how }: Cut, random: Random): Survivor {
  const { safe } = node;
  const isClean = node.dirty.size === 0 && !node.lengthChanged;
  const choice = how === "mixed" ? random.of(["kept", "lost", "mixed", "mixed"] as const) : how;
  const times = choice === "kept" ? node : safe;
  const { modified, accessed } = times;
  if (isClean || choice === "lost") return { data: safe.data, modified, accessed };
  const dirty = [...node.dirty];
  if (choice === "kept")
    return {
      data: patched(safe.data, node.lengthChanged ? node.data.length : safe.data.length, dirty, node.data),
      modified,
      accessed,
    };
  const lengths = [
    safe.data.length,
    ...(node.lengthChanged ? node.versions.map(({ length }) => length) : []),
  ];
  let data = patched(safe.data, random.of(lengths), [], safe.data);
  for (const index of dirty) {
    const version = random.of([undefined, ...node.versions]);
    if (version !== undefined) data = patched(data, data.length, [index], version);
  }
  return { data, modified, accessed };
}
