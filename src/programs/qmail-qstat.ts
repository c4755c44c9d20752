/** qmail-qstat(8): how many messages there are in the queue. */
import { isSystemError } from "../core/exit.ts";
import { countFiles } from "../core/queue/list.ts";
import { queueRoot } from "../core/queue/paths.ts";
import { errorText } from "../core/sys/errors.ts";
import { writeAll } from "../core/sys/fd.ts";

export function main(): number {
  const messages = countFiles("mess", warn);
  const unprocessed = countFiles("todo", warn);
  print(1, `messages in queue: ${messages}\nmessages in queue but not yet preprocessed: ${unprocessed}\n`);
  return 0;
}

/** The count goes on without what can not be read. */
function warn(path: string, cause: unknown): void {
  if (!isSystemError(cause)) throw cause;
  print(2, `qmail-qstat: warning: unable to read ${queueRoot()}/${path}: ${errorText(cause.code)}\n`);
}

function print(fd: number, text: string): void {
  writeAll(fd, Buffer.from(text));
}
