/** Waiting for no longer than some time, for who waits often and hardly ever in vain: one timer for everybody. */

/** How late the end of a wait may be told, in milliseconds. */
const step = 100;

interface Wait {
  until: number;
  late: () => void;
}

const waits = new Set<Wait>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Calls `late` once after so many seconds, unless what is returned is called before. */
export function lateAfter(seconds: number, late: () => void): () => void {
  const wait = { until: performance.now() + seconds * 1000, late };
  waits.add(wait);
  timer ??= setInterval(look, step);
  return () => waits.delete(wait);
}

function look(): void {
  const now = performance.now();
  for (const wait of waits) {
    if (wait.until > now) continue;
    waits.delete(wait);
    wait.late();
  }
  if (waits.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
