/** Handing the connection of one client of a server that stays to a program that speaks with it alone. */
import { closeSync, writeSync } from "node:fs";
import { pipe, setBlocking, setNonBlocking } from "../sys/libc.ts";
import { PeerGone } from "../sys/peer.ts";
import { type Child, start } from "../sys/spawn.ts";
import type { NetworkClient } from "./network-client.ts";

/** What the program gets as its descriptors 0 and 1. */
export interface Descriptors {
  input: number;
  output: number;
}

/**
 * Lends the connection to the program that `run` starts, until `run` is done. What the client sent ahead reaches the
 * program first: then cat(1) carries the rest of its input, because nothing can be put back into a socket.
 */
export function letIn<Result>(
  client: NetworkClient,
  run: (descriptors: Descriptors) => Promise<Result>,
): Promise<Result> {
  return client.lend(async (socket, arrived) => {
    if (arrived.length === 0) return await run({ input: socket, output: socket });
    const [input, write] = pipe();
    let carrier: Child | undefined;
    try {
      try {
        fill(write, arrived);
        carrier = start({ command: ["cat"], descriptors: [socket, write, 2] });
      } finally {
        closeSync(write);
      }
      return await run({ input, output: socket });
    } finally {
      closeSync(input);
      carrier?.kill("SIGKILL");
      await carrier?.ended;
    }
  });
}

/** Puts the bytes into the pipe. A client that sent more ahead than a pipe holds knows no POP3. */
function fill(pipe: number, bytes: Buffer): void {
  setNonBlocking(pipe);
  if (writeSync(pipe, bytes) < bytes.length) throw new PeerGone();
  setBlocking(pipe);
}
