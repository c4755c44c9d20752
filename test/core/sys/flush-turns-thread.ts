/** One of several threads that take turns (flush-turns.test.ts). When it does what is told by a count they share. */
import { FlushTurns, momentOf, turnWords } from "../../../src/core/sys/flush-turns.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<{ memory: SharedArrayBuffer; name: number; count: number }>) => {
  const words = new Int32Array(data.memory, 0, turnWords);
  const count = new Int32Array(data.memory, 4 * turnWords);
  const now = (): number => Atomics.add(count, 0, 1);
  const flushes: [number, number][] = [];
  const waits: [number, number][] = [];
  const turns = new FlushTurns(words, data.name, {
    change: (word, value, milliseconds) => Atomics.wait(words, word, value, milliseconds),
    wake: (word) => Atomics.notify(words, word),
    now: () => performance.now(),
  });
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let index = 0; index < data.count; index++) {
    const ready = now();
    const moment = momentOf(words);
    turns.flush(moment, () => {
      const began = now();
      Atomics.wait(pause, 0, 0, Math.random());
      flushes.push([began, now()]);
    });
    waits.push([ready, now()]);
  }
  self.postMessage({ flushes, waits });
};
