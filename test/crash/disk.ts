/**
 * A disk whose power can be cut, and the file system on it. The disk is a file on a file system with reflinks; a loop
 * device makes it a block device. A copy of the file by FICLONE is made at one instant: no write to the file is half in
 * it, and every write that the loop device had completed, so everything that a flush acknowledged, is.
 *
 * `careful`: the disk has no cache; what it was given before the cut, it holds. `volatile`: it has one, and a cut takes
 * away whatever was not flushed, except for ranges that it happened to write by itself. For that, the disk lies on a
 * file system of its own (the shelf), of whose disk the copy is made: what was written to the file, but not flushed, is
 * only in memory then.
 *
 * Needs root, loop devices and mkfs; to be used inside a mount namespace, with which all of it goes away.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namespace } from "../helpers/namespace.ts";

/** File systems, and how each is made and mounted. */
export const kinds = {
  ext4: { make: ["mkfs.ext4", "-q", "-F"], mount: "data=ordered" },
  "ext4-writeback": { make: ["mkfs.ext4", "-q", "-F"], mount: "data=writeback" },
  "ext4-nodelalloc": { make: ["mkfs.ext4", "-q", "-F"], mount: "nodelalloc" },
  xfs: { make: ["mkfs.xfs", "-q", "-f"], mount: "nouuid" },
  btrfs: { make: ["mkfs.btrfs", "-q", "-f"], mount: "defaults" },
} as const;

export type Kind = keyof typeof kinds;
export type Cache = "careful" | "volatile";

const mebibyte = 2 ** 20;
const size = 512 * mebibyte;
const shelfSize = 640 * mebibyte;
const storeSize = 32768 * mebibyte;

/** Ranges of a volatile cache that get written by chance before a cut, and their size. */
const chances = 40;
const chunk = 4 * mebibyte;

/** Runs a tool of the system; throws with what it said if it fails. */
export function tool(...words: string[]): void {
  const result = Bun.spawnSync(words, { stdout: "ignore", stderr: "pipe" });
  if (result.exitCode !== 0) throw new Error(`${words.join(" ")}: ${result.stderr.toString()}`);
}

/** Unmounts; a process that was killed may have threads that are not quite gone. */
export function unmount(place: string): void {
  for (const end = Date.now() + 10_000; Date.now() < end; Bun.sleepSync(20))
    if (Bun.spawnSync(["umount", place], { stderr: "ignore" }).exitCode === 0) return;
  tool("umount", place);
}

/** Whether there can be such disks of this kind here: root, loop devices, the tools. */
export function canCutPower(kind: Kind): boolean {
  const tools = ["unshare", "mkfs.xfs", "xfs_io", kinds[kind].make[0]];
  if (process.geteuid?.() !== 0 || tools.some((name) => Bun.which(name) === null)) return false;
  const scratch = mkdtempSync(join(tmpdir(), "qmail-loop-"));
  const image = join(scratch, "image");
  makeFile(image, storeSize);
  const script = `mkfs.xfs -q ${image} && mount -o loop ${image} ${scratch}`;
  const result = Bun.spawnSync([...namespace, "sh", "-c", script], { stdout: "ignore", stderr: "ignore" });
  rmSync(scratch, { recursive: true });
  return result.exitCode === 0;
}

export class PowerDisk {
  readonly #kind: Kind;
  readonly #cache: Cache;
  readonly #store: string;
  readonly #shelf: string;
  /** Where the file system is mounted. */
  readonly place: string;
  #cuts = 0;

  /** Makes a disk with an empty file system, below an empty directory. */
  constructor(scratch: string, kind: Kind, cache: Cache) {
    this.#kind = kind;
    this.#cache = cache;
    const [store, shelf, place] = ["store", "shelf", "place"].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    this.#store = store;
    this.#shelf = shelf;
    this.place = place;
    for (const directory of [store, shelf, place]) mkdirSync(directory);
    // One that keeps its files at once may lie in memory: what counts is when a write reaches the file.
    makeFile(`${scratch}/store.img`, storeSize);
    tool("mkfs.xfs", "-q", "-f", `${scratch}/store.img`);
    tool("mount", "-o", "loop", `${scratch}/store.img`, store);
    // The loop device keeps it; should we be killed, it goes away with the mount.
    rmSync(`${scratch}/store.img`);
    if (cache === "volatile") {
      makeFile(this.#original, shelfSize);
      tool("mkfs.ext4", "-q", "-F", this.#original);
      tool("mount", "-o", "loop", this.#original, shelf);
    }
    const disk = this.#disk(this.#original);
    makeFile(disk, size);
    // Blocks that were there before: what is not flushed is the old content, not a hole.
    if (cache === "volatile") tool("dd", "if=/dev/zero", `of=${disk}`, "bs=1M", `count=${size / mebibyte}`);
    tool(...kinds[kind].make, disk);
    if (cache === "volatile") tool("sync", "-f", shelf);
    this.#mountDisk(disk);
  }

  /** Takes what the disk would hold if the power were cut now; returns its number for reopen(). */
  cut(random: () => number): number {
    if (this.#cache === "volatile") this.#writeSome(random);
    const copy = this.#copy(++this.#cuts);
    tool("cp", "--reflink=always", this.#original, copy);
    return this.#cuts;
  }

  /** Unmounts the file system; what it holds is of no more use. */
  close(): void {
    unmount(this.place);
    if (this.#cache === "volatile") unmount(this.#shelf);
  }

  /** Gives back what the copies took; afterwards the directory can be removed. */
  forget(): void {
    unmount(this.#store);
  }

  /** Mounts what a cut left; the file system replays its journal. */
  reopen(cut: number): void {
    const copy = this.#copy(cut);
    if (this.#cache === "volatile") tool("mount", "-o", "loop", copy, this.#shelf);
    this.#mountDisk(this.#disk(copy));
  }

  get #original(): string {
    return this.#cache === "volatile" ? join(this.#store, "shelf.img") : join(this.#store, "disk.img");
  }

  #copy(cut: number): string {
    return `${this.#original}.${cut}`;
  }

  /** The file that is the disk. */
  #disk(original: string): string {
    return this.#cache === "volatile" ? join(this.#shelf, "disk.img") : original;
  }

  #mountDisk(disk: string): void {
    tool("mount", "-o", `loop,${kinds[this.#kind].mount}`, disk, this.place);
  }

  /** What the cache writes unasked: half of some ranges, in no order. */
  #writeSome(random: () => number): void {
    const ranges = Array.from({ length: chances }, () => Math.floor(random() * (size / chunk)) * chunk);
    const commands = ranges.flatMap((start) => {
      const length = Math.floor((random() * chunk) / 4096 + 1) * 4096;
      return ["-c", `sync_range -w ${start} ${length}`];
    });
    tool("xfs_io", ...commands, this.#disk(this.#original));
  }
}

function makeFile(path: string, bytes: number): void {
  closeSync(openSync(path, "w"));
  truncateSync(path, bytes);
}
