/** What became of the messages of a load: the mailbox is read, message by message. */
import { readFileSync } from "node:fs";
import type { PrivateHome } from "../helpers/home.ts";
import { bodyOf } from "../scenarios/kill.ts";
import { wayOf } from "./load.ts";

/** Counts of messages, or of copies. */
export interface Found {
  acknowledged: number;
  /** Acknowledged messages that came, or came back as a bounce. */
  delivered: number;
  /** Copies beyond the first. */
  duplicated: number;
  /** Acknowledged, but nowhere. */
  lost: number;
  /** Files in `new` that are not, to the last byte, what was sent. */
  torn: number;
}

/** The number of the whole message in a file, or undefined. */
function numberIn(path: string): number | undefined {
  const text = readFileSync(path, "latin1");
  const number = Number(/^number (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  const isBounce = text.startsWith("Return-Path: <>\n");
  const head = text.slice(0, text.indexOf("\nnumber "));
  const whole = head.includes(`\nSubject: ${number}\n`) && text.endsWith(`\n${bodyOf(number)}`);
  return whole && isBounce === (wayOf(number) === "bounce") ? number : undefined;
}

/** Looks for the messages that were acknowledged. */
export function lookFor(home: PrivateHome, acknowledged: readonly number[]): Found {
  const copies = new Map<number, number>();
  let torn = 0;
  for (const path of home.delivered()) {
    const number = numberIn(path);
    if (number === undefined) torn++;
    else copies.set(number, (copies.get(number) ?? 0) + 1);
  }
  const all = [...copies.values()].reduce((sum, count) => sum + count, 0);
  const lost = acknowledged.filter((number) => !copies.has(number)).length;
  return {
    acknowledged: acknowledged.length,
    delivered: acknowledged.length - lost,
    duplicated: all - copies.size,
    lost,
    torn,
  };
}
