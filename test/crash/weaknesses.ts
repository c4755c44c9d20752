/** What weakened.ts takes out of the programs, or does wrong in them, one at a time. */
import type { Cache, Kind } from "./disk.ts";

export interface Edited {
  name: string;
  /** What is taken out of files of src: file, text, what it becomes. */
  edits: readonly (readonly [string, string, string])[];
}

export interface Weakness extends Edited {
  kind: Kind;
  cache: Cache;
}

export interface Mistake extends Edited {
  /** How inject.ts is called. */
  words: readonly string[];
}

const durable = "core/sys/durable.ts";
const thread = "core/sys/flush-worker.ts";
const maildir = "core/maildir/deliver.ts";

/** Files are not begun with, either: they would be on the disk soon enough. */
const noShared = [thread, "flushAll(order.fileSystem, order.files)", "void flushAll"] as const;
const noBegin = ["core/sys/libc.ts", "libc().sync_file_range(fd, 0, 0, write)", "void [fd, write]"] as const;

const noDirectories = [durable, "try {\n    fsyncSync(fd);", "try {"] as const;

/**
 * Not here: no fsync of new after the link. Nothing was lost without it in 20 cuts of btrfs, which keeps the new name of
 * a file that was just synced; and the journals of the others keep the link in front of the removal from the queue.
 */
export const weaknesses: readonly Weakness[] = [
  {
    name: "no barrier at all",
    edits: [noDirectories, [durable, "fsyncSync(fd);", ""], noShared, noBegin, [thread, "fsyncSync(fd)", ""]],
    kind: "ext4",
    cache: "careful",
  },
  {
    name: "no barrier in qmail-queue --resident",
    edits: [noShared, noBegin, [thread, "fsyncSync(fd)", ""], [thread, "syncDirectory(path)", ""]],
    kind: "xfs",
    cache: "careful",
  },
  { name: "no fsync of directories", edits: [noDirectories], kind: "ext4", cache: "careful" },
  {
    name: "no fsync of what is in tmp",
    edits: [
      [maildir, "syncFile(delivery.file)", "void delivery.file"],
      [thread, "else for (const fd", "else if (order.link === undefined) for (const fd"],
      noBegin,
      [
        "core/delivery/together.ts",
        "all: syncfsTells() ? async (moment, files) =>",
        "all: !syncfsTells() ? async (moment, files) =>",
      ],
      ["core/delivery/together.ts", "each({ files, directories: ", "each({ files: [], directories: "],
    ],
    kind: "ext4",
    cache: "careful",
  },
];

export const mistakes: readonly Mistake[] = [
  {
    name: "a failed fsync is a success",
    edits: [
      [
        "core/queue/entry.ts",
        "attempt(queueExit.write, () => syncNow(before));",
        "try { syncNow(before); } catch {}",
      ],
    ],
    words: ["--subject", "qmail-queue", "--fault", "EIO"],
  },
  {
    name: "written in new, not in tmp",
    edits: [
      [maildir, "openSync(below(`tmp/", "openSync(below(`new/"],
      [maildir, "linkSync(this.names.from, this.names.to)", "void linkSync"],
      [maildir, "quietly(() => unlinkSync(this.names.from))", "void unlinkSync"],
    ],
    words: ["--subject", "qmail-local, Maildir", "--fault", "SIGKILL"],
  },
  {
    name: "a lost report is forgotten",
    edits: [["core/delivery/slots.ts", "      hangUp(1);\n", ""]],
    words: ["--subject", "qmail-lspawn", "--fault", "EIO", "--only", "^write\\(1<"],
  },
];
