/**
 * Many deliveries to Maildirs with few flushes: those on one file system that are ready at the same time share one for
 * their files, and then one for their names (GroupCommit). The order of steps is that of each by itself
 * (maildir/deliver.ts).
 */
import { fstatSync } from "node:fs";
import { duringWrite, type MaildirDelivery } from "../maildir/deliver.ts";
import { type Barrier, GroupCommit } from "../queue/group.ts";
import { syncDirectory, syncFile, syncFileSystemOf, syncfsTells } from "../sys/durable.ts";
import { oneMaildir, orMaildirTrouble } from "./dotqmail-deliver.ts";
import { type Answer, answerOf } from "./worker-words.ts";

/** A delivery that is written, and neither durable nor to be seen yet. */
export type Begun = MaildirDelivery;

/** Those on one file system. */
class Group {
  /** A directory on it. None is held open between deliveries. */
  place: Buffer = Buffer.alloc(0);
  readonly #commit: GroupCommit;

  constructor() {
    const all = async (): Promise<void> => syncFileSystemOf(this.place);
    const each = async ({ files, directories }: Barrier): Promise<void> => {
      for (const file of files) syncFile(file);
      for (const path of directories) syncDirectory(Buffer.from(path, "latin1"));
    };
    this.#commit = new GroupCommit({ all: syncfsTells() ? all : undefined, each }, () => performance.now());
  }

  /** @throws Exit 111 with the report */
  async wait(barrier: Barrier): Promise<void> {
    const failure = await this.#commit.wait(barrier).then(
      () => undefined,
      (reason: unknown) => ({ reason }),
    );
    if (failure !== undefined)
      orMaildirTrouble(() =>
        duringWrite(() => {
          throw failure.reason;
        }),
      );
  }
}

export class Together {
  /** By device. */
  readonly #groups = new Map<number, Group>();

  /** Ends them all; the answers are in the same order. */
  async finish(deliveries: readonly Begun[]): Promise<Answer[]> {
    // Whoever fails early leaves the others alone; the groups form in the same step.
    return await Promise.all(deliveries.map((delivery) => this.#finish(delivery)));
  }

  async #finish(delivery: Begun): Promise<Answer> {
    try {
      const group = orMaildirTrouble(() => duringWrite(() => this.#groupOf(delivery)));
      await group.wait({ files: [delivery.file], directories: [] });
      orMaildirTrouble(() => delivery.link());
      await group.wait({ files: [], directories: [delivery.folder.toString("latin1")] });
      return { kind: "exit", code: 0, text: Buffer.from(oneMaildir) };
    } catch (failure) {
      return answerOf(failure);
    } finally {
      delivery.end();
    }
  }

  #groupOf({ file, folder }: Begun): Group {
    const device = fstatSync(file).dev;
    const group = this.#groups.get(device) ?? new Group();
    this.#groups.set(device, group);
    group.place = folder;
    return group;
  }
}
