/** A child that is spoken with: we write to its descriptor 0 and read its descriptor 1, and wait for neither. */
import { isSystemError } from "../exit.ts";
import { representable, type Start } from "./spawn.ts";

export interface Partner {
  pid: number;
  /** What it says, until its end. */
  output: AsyncIterable<Uint8Array>;
  /** Says something. It is kept until the partner has read it; if the partner is gone, its output ends and tells so. */
  write: (pieces: readonly Uint8Array[]) => void;
  /** Says nothing more. */
  end: () => void;
}

/** Starts a program; throws (ENOENT, EACCES, EAGAIN, ...) if it can not be started. Its descriptor 2 is ours. */
export function startPartner(how: Pick<Start, "command" | "environment" | "directory">): Partner {
  const { command, environment } = representable(how);
  const child = Bun.spawn(command, {
    stdio: ["pipe", "pipe", 2],
    env: environment,
    ...(how.directory === undefined ? {} : { cwd: how.directory }),
  });
  const { stdin } = child;
  return {
    pid: child.pid,
    output: child.stdout,
    write: (pieces) =>
      quietly(() => {
        for (const piece of pieces) stdin.write(piece);
        return stdin.flush();
      }),
    end: () => quietly(() => stdin.end()),
  };
}

/** A pipe that nobody reads any more (EPIPE, at once or later) belongs to a child whose output ends: that tells. */
function quietly(send: () => unknown): void {
  try {
    const sent = send();
    if (sent instanceof Promise) sent.catch(() => {});
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}
