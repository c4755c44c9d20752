/**
 * What a program is told to run first (BUN_OPTIONS=--preload), so that its thread that flushes can die: at SIGUSR1 at
 * once, at SIGUSR2 with the next order, which is then neither carried out nor answered.
 */
const { Worker: Real } = globalThis;

/** The thread looks into what it gets, finds nothing there, and throws. */
const nothing = null;

let newest: Mortal | undefined;
let isOver = false;

class Mortal extends Real {
  constructor(script: string | URL, options?: WorkerOptions) {
    super(script, options);
    newest = this;
  }

  override postMessage(order: unknown): void {
    super.postMessage(isOver ? nothing : order);
    isOver = false;
  }
}

globalThis.Worker = Mortal;
process.on("SIGUSR1", () => newest?.postMessage(nothing));
process.on("SIGUSR2", () => {
  isOver = true;
});
