/**
 * Many deliveries to Maildirs with few flushes: those on one file system that are ready at the same time share one for
 * their files, and then one for their names (GroupCommit). The order of steps is that of each by itself
 * (maildir/deliver.ts).
 */
import { fstatSync } from "node:fs";
import { bytes } from "../bytes/text.ts";
import { duringWrite, type MaildirDelivery } from "../maildir/deliver.ts";
import { type Flush, GroupCommit, processClock } from "../queue/group.ts";
import { syncDirectory, syncFile, syncFileSystemOf, syncfsTells } from "../sys/durable.ts";
import { Flusher } from "../sys/flusher.ts";
import { oneMaildir, orMaildirTrouble } from "./dotqmail-deliver.ts";
import { answerOf, type Done } from "./worker-words.ts";

/** A delivery that is written, and neither durable nor to be seen yet. */
export type Begun = MaildirDelivery;

const slash = 47;

/** `publish`: all that is left of one delivery at once, for one that has no company; absent: step by step. */
type Disk = Flush & { publish?: (delivery: Begun) => Promise<void> };

/** How the file system of a Maildir is flushed; `place()` is a directory on it. */
export type Flushing = (place: () => Buffer) => Disk;

/** Waits for the disk, for who has nothing else to do. No directory is held open between deliveries. */
export const waiting: Flushing = (place) => ({
  moment: 0,
  all: syncfsTells() ? async () => syncFileSystemOf(place()) : undefined,
  each: async ({ files, directories }) => {
    for (const file of files) syncFile(file);
    for (const path of directories) syncDirectory(bytes(path));
  },
});

/** Has a thread wait for the disk, and another one where that has ended. The names of directories are UTF-8. */
export const meanwhile: Flushing = (place) => {
  let last: Flusher | undefined;
  const flusher = (): Flusher => {
    if (last === undefined || last.isDead) last = new Flusher([place().toString()]);
    return last;
  };
  // That the thread can not begin is a failure of the flush.
  return {
    get moment() {
      return flusher().moment;
    },
    all: syncfsTells() ? async (moment, files) => await flusher().fileSystem(moment, files) : undefined,
    each: async ({ files, directories }) =>
      await flusher().each({ files, directories: directories.map((path) => bytes(path).toString()) }),
    begin: (files) => last?.begin(files),
    publish: async ({ file, names: { from, to }, folder }) =>
      await flusher().publish(file, { from: from.toString(), to: to.toString() }, folder.toString()),
  };
};

/** Those on one file system. */
class Group {
  place: Buffer = Buffer.alloc(0);
  readonly #disk: Disk;
  readonly #commit: GroupCommit;
  #members = 0;

  constructor(flushing: Flushing) {
    this.#disk = flushing(() => this.place);
    this.#commit = new GroupCommit(this.#disk, processClock);
  }

  /** Makes one durable and shows it, in this order. @throws Exit 111 with the report */
  async finish(delivery: Begun): Promise<void> {
    this.#members++;
    try {
      // Whoever comes in the same step is company.
      await undefined;
      const publish = this.#members === 1 ? this.#disk.publish : undefined;
      if (publish !== undefined) await writing(publish(delivery));
      else {
        await writing(this.#commit.wait({ files: [delivery.file], directories: [] }));
        orMaildirTrouble(() => delivery.link());
        await writing(this.#commit.wait({ files: [], directories: [delivery.folder.toString("latin1")] }));
      }
    } finally {
      this.#members--;
    }
  }
}

/** Waits. @throws Exit 111 with the report of a failure to write */
async function writing(step: Promise<void>): Promise<void> {
  const failure = await step.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );
  if (failure === undefined) return;
  orMaildirTrouble(() =>
    duringWrite(() => {
      throw failure.reason;
    }),
  );
}

export class Together {
  readonly #flushing: Flushing;
  /** By device. */
  readonly #groups = new Map<number, Group>();

  constructor(flushing: Flushing) {
    this.#flushing = flushing;
  }

  /** Ends one. Whoever fails leaves the others alone; those that are begun in one step share their flushes. */
  async finish(delivery: Begun): Promise<Done> {
    try {
      const group = orMaildirTrouble(() => duringWrite(() => this.#groupOf(delivery)));
      await group.finish(delivery);
      return { kind: "exit", code: 0, text: Buffer.from(oneMaildir) };
    } catch (failure) {
      return answerOf(failure);
    } finally {
      delivery.end();
    }
  }

  #groupOf({ file, names }: Begun): Group {
    const device = fstatSync(file).dev;
    const group = this.#groups.get(device) ?? new Group(this.#flushing);
    this.#groups.set(device, group);
    // A file was made in it just now; `new` may be missing, which is no other delivery's trouble.
    group.place = names.from.subarray(0, names.from.lastIndexOf(slash));
    return group;
  }
}
