/**
 * What all parts of the scheduler share, and the outside as they see it. The parts hold no clock, no descriptor and
 * no path of their own: qmail-send.ts gives them the real outside, the tests a simulated one.
 */

import type { SlotWidth } from "../../core/delivery/slot-number.ts";
import type { BounceAddresses } from "../../core/mail/bounce.ts";
import type { Routing } from "../../core/mail/routing.ts";
import type { QueueDisk } from "../../core/queue/files.ts";
import type { Channel } from "./channel.ts";
import type { Leftovers } from "./leftovers.ts";
import type { Schedule } from "./schedule.ts";

export type { Output, QueueDisk, Records, Status } from "../../core/queue/files.ts";

/** The way to a spawner. */
export interface SpawnerPort {
  /** False while part of an earlier command still waits to be written. */
  ready(): boolean;
  /** Characters are bytes. */
  send(command: string): void;
}

/** A bounce on its way into the queue. */
export interface Notice {
  sender: string;
  recipient: string;
  /** Header and words in front of the failures. */
  head: string;
  /** What stands between the failures and the message. */
  middle: string;
  /** Paths of the bounce file and of the message. */
  failures: string;
  message: string;
}

/** What became of a bounce. */
export type Injection = { result: "queued"; pid: number } | { result: "unstarted" | "refused" };

/** The outside. */
export interface Outside {
  disk: QueueDisk;
  /** Writes to the log; whole lines or parts of one. */
  log: (text: string) => void;
  spawners: readonly [SpawnerPort, SpawnerPort];
  /** Sends a request (`todo/30`) to qmail-clean; its answer comes to Manager.cleanerAnswered. */
  askCleaner: (request: string) => void;
  /** Queues a bounce; `done` is called with the outcome and the time when that is over. */
  inject: (notice: Notice, done: (injection: Injection, now: number) => void) => void;
  /** Seconds of a clock that only goes forward, and that nobody sets. */
  uptime: () => number;
}

/** What the control files say, but for routing. */
export interface Settings {
  /** Seconds after which a deferral is a failure. */
  lifetime: number;
  /** How many deliveries may be under way, per channel. */
  concurrency: readonly [number, number];
  /** Bytes of a delivery number in commands and reports. */
  slotWidth: SlotWidth;
  bounces: BounceAddresses;
}

/** Shared by the parts. `now` is the time of the event being handled, in seconds. */
export interface Context extends Outside {
  readonly settings: Settings;
  readonly schedule: Schedule;
  readonly leftovers: Leftovers;
  routing: Routing;
  now: number;
  /** After TERM, or after a partner died: nothing new is started. */
  exiting: boolean;
}

/** Seconds until something that failed is tried again. */
export const patience = 123;

/** Seconds until something that must not fail is tried again. */
export const helpPause = 10;

/** The path of a message's recipients on a channel. */
export function recipientsPath(disk: QueueDisk, channel: Channel, id: bigint): string {
  return disk.path(channel === 0 ? "local" : "remote", id);
}
