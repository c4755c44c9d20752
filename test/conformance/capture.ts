/** The capture program that stands in for qmail-queue, and what it stored. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, type Case } from "./format.ts";

/** One injected message; strings are latin1. */
export interface Capture {
  message: string;
  envelope: string;
}

const complete = /^F[^\0]*\0(T[^\0]*\0)*\0$/;

let count = 0;

/** Every case has a store of its own: a program that gives up may end before its queue program does. */
const storeOf = (scratch: string): string => join(scratch, `captured-${count}`);

/** Writes the program below the scratch directory; returns its path. */
export function makeCapture(scratch: string, qq: NonNullable<Case["qq"]>): string {
  count++;
  const store = storeOf(scratch);
  mkdirSync(store, { recursive: true });
  Bun.spawnSync(["chmod", "1777", store]);
  // What it cannot store is missed; one whose store is gone with its case would complain in the middle of the next.
  const begin = ["#!/bin/sh", "exec 2>/dev/null", `s=${store}/$$`];
  const lines = [...begin, "cat >$s.message", "cat <&1 >$s.envelope"];
  if (qq.fd6 !== undefined) {
    writeFileSync(join(store, "fd6"), Buffer.from(bytesOf(qq.fd6), "latin1"));
    lines.push(`cat ${store}/fd6 >&6`);
  }
  lines.push(qq.signal === undefined ? `exit ${qq.exit ?? 0}` : `kill -${qq.signal} $$`);
  const program = join(scratch, "capture");
  writeFileSync(program, `${lines.join("\n")}\n`, { mode: 0o755 });
  return program;
}

/** What was injected, in order. Without a complete envelope the injecting program gave up: not listed. */
export function captured(scratch: string): Capture[] {
  const store = storeOf(scratch);
  const names = readdirSync(store).filter((name) => name.endsWith(".envelope"));
  const time = (name: string) => statSync(join(store, name), { bigint: true }).mtimeNs;
  const inOrder = names.sort((a, b) => (time(a) < time(b) ? -1 : 1));
  return inOrder
    .map((name) => ({
      message: readFileSync(join(store, name.replace(/envelope$/, "message")), "latin1"),
      envelope: readFileSync(join(store, name), "latin1"),
    }))
    .filter(({ envelope }) => complete.test(envelope));
}
