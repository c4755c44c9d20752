/**
 * Another program on the same disk: writes files without ever flushing them, over and over. `bun bench/dirty.ts DIRECTORY
 * RATE`, in MiB a second; the last files stay, so that some hundreds of MiB are always waiting to be written. TERM ends it;
 * then it says how many MiB it wrote.
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const [directory = "", rate = "100"] = process.argv.slice(2);
const mebibyte = 2 ** 20;
const chunk = Buffer.alloc(4 * mebibyte, "dirty ");
const [chunksOfFile, files] = [32, 6];

let ended = false;
process.on("SIGTERM", () => {
  ended = true;
});

const begin = performance.now();
let written = 0;
for (let number = 0; !ended; number++) {
  rmSync(join(directory, `${number - files}`), { force: true });
  const fd = openSync(join(directory, `${number}`), "wx");
  for (let left = chunksOfFile; left > 0 && !ended; left--) {
    for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
    written += chunk.length / mebibyte;
    const early = (written * 1000) / Number(rate) - (performance.now() - begin);
    // At least one turn of the event loop, for the signal.
    await Bun.sleep(Math.max(0, early));
  }
  closeSync(fd);
}
console.log(written);
