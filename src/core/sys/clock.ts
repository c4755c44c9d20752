/** Waiting. */

const never = new Int32Array(new SharedArrayBuffer(4));

/** Stops the whole process for `milliseconds`: for one-shot programs only. */
export function pause(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds);
}
