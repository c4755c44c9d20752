/** The native launcher: compiled where gcc is at hand, installed as the set-uid bin/qmail-queue of a qmail home. */
import { chmodSync, chownSync, copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { qmailGroup, userNumbers } from "./users.ts";

const sourceFile = join(import.meta.dir, "../../native/qmail-queue.c");

/** Whether the launcher can be compiled here. */
export const canCompile = (): boolean => Bun.which("gcc") !== null;

/** Compiles the launcher for a qmail home (once per work directory) and puts it in the place of bin/qmail-queue. Needs root. */
export function installLauncher(qmailHome: string, work: string): void {
  const compiled = join(work, "qmail-queue-launcher");
  if (!existsSync(compiled)) compile(`${qmailHome}/bin/qmail-ts`, compiled);
  const installed = join(qmailHome, "bin/qmail-queue");
  rmSync(installed, { force: true });
  copyFileSync(compiled, installed);
  chownSync(installed, userNumbers.qmailq ?? 0, qmailGroup);
  chmodSync(installed, 0o4711);
}

function compile(program: string, out: string): void {
  const words = [
    "gcc",
    "-static",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    `-DPROGRAM="${program}"`,
    "-o",
    out,
    sourceFile,
  ];
  const result = Bun.spawnSync(words, { stdio: ["ignore", "ignore", "pipe"] });
  if (result.exitCode !== 0) throw new Error(`gcc: ${result.stderr.toString()}`);
}
