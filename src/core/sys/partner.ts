/** A child that is spoken with: we write to its descriptor 0 and read its descriptor 1, and wait for neither. */
import { closeAll, socketPair } from "./handing.ts";
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
  const [write, input] = socketPair();
  let read: number | undefined;
  let output: number | undefined;
  try {
    [read, output] = socketPair();
    const child = Bun.spawn(command, {
      stdio: [input, output, 2],
      env: environment,
      ...(how.directory === undefined ? {} : { cwd: how.directory }),
    });
    const mouth = new Mouth(write);
    return {
      pid: child.pid,
      output: heard(read),
      write: (pieces) => mouth.write(pieces),
      end: () => mouth.end(),
    };
  } catch (failure) {
    closeAll(write, read);
    throw failure;
  } finally {
    closeAll(input, output);
  }
}

/** Pieces from this size on are not copied to be sent together with others. */
const large = 65536;

/** The runtime's own socket on a descriptor, which it takes over. Its types do not know of descriptors. */
function connect(fd: number, socket: Bun.SocketHandler<unknown>): void {
  const options = { fd, allowHalfOpen: true, socket } as unknown as Bun.UnixSocketOptions;
  void Bun.connect(options);
}

/** Where we write. A socket that nobody reads any more (EPIPE) belongs to a child whose output ends: that tells. */
class Mouth {
  #socket: Bun.Socket<unknown> | undefined;
  #waiting: Uint8Array[] = [];
  #ended = false;

  constructor(fd: number) {
    connect(fd, {
      open: (socket) => {
        this.#socket = socket;
        this.#send();
      },
      drain: () => this.#send(),
      data: () => {},
      close: () => {
        this.#ended = true;
        this.#waiting = [];
      },
    });
  }

  /** At once if it can be. */
  write(pieces: readonly Uint8Array[]): void {
    if (this.#ended) return;
    const isSmall = pieces.every((piece) => piece.length < large);
    this.#waiting.push(...(isSmall ? [Buffer.concat(pieces)] : pieces));
    if (this.#waiting.length === 1 || !isSmall) this.#send();
  }

  end(): void {
    this.#ended = true;
    this.#send();
  }

  #send(): void {
    if (this.#socket === undefined) return;
    for (let piece = this.#waiting[0]; piece !== undefined; piece = this.#waiting[0]) {
      const taken = this.#socket.write(piece);
      if (taken < piece.length) {
        if (taken > 0) this.#waiting[0] = piece.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#ended) this.#socket.end();
  }
}

/** What comes on a descriptor, until its end. */
async function* heard(fd: number): AsyncGenerator<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let over = false;
  let wake = (): void => {};
  connect(fd, {
    data: (_, bytes) => {
      pieces.push(bytes);
      wake();
    },
    end: (socket) => void socket.end(),
    close: () => {
      over = true;
      wake();
    },
  });
  for (;;) {
    const piece = pieces.shift();
    if (piece !== undefined) yield piece;
    else if (over) return;
    else
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
}
