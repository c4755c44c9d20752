/** Descriptors and FIFOs that a daemon waits on, beside its timers and signals. */

/** The pieces that arrive on a pipe, FIFO or socket, until its end. Does not block the event loop. */
export function arrivals(fd: number): AsyncIterable<Uint8Array> {
  // Bun polls the descriptor; node:net's Socket({fd}) and node:fs streams do not wait on pipes in Bun 1.4.
  return Bun.file(fd).stream();
}
