/**
 * The table of hosts that did not answer, queue/lock/tcpto (qmail-tcpto(8)): 64 records of 16 bytes: an IPv4 address,
 * a count of time-outs, three unused bytes, the time of the last one (little-endian), four unused bytes. An IPv6
 * address has no room in it.
 */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { type IpAddress, sameIp } from "../bytes/ip.ts";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";
import { lockExclusive } from "../sys/lock.ts";

/** Size of the table. */
export const tcptoSize = 1024;

const recordSize = 16;
const countAt = 4;
const timeAt = 8;

/** A host is left alone after so many time-outs in a row, */
const enough = 2;
const mostCounted = 10;

/** and another one counts only so many seconds after the last. */
const distance = 120;

/** A record that is in use. */
export interface Timeouts {
  address: IpAddress;
  count: number;
  /** Unix time of the last one. */
  when: number;
}

/** Path of the table. */
export const tcptoPath = (): string => inHome("queue/lock/tcpto");

const now = (): number => Math.floor(Date.now() / 1000);

/** The hosts in the table. Throws the system error of the step that failed, with that step's name. */
export function listTimeouts(): Timeouts[] {
  const table = step("open", openTable);
  try {
    step("lock", () => lockExclusive(table));
    return step("read", () => records(table)).flatMap((record) => timeoutsOf(record) ?? []);
  } finally {
    closeSync(table);
  }
}

/** A step of listTimeouts or forgetTimeouts failed. */
export class TcptoTrouble extends Error {
  readonly step: string;
  readonly code: string;
  constructor(step: string, code: string) {
    super(`${step}: ${code}`);
    this.step = step;
    this.code = code;
  }
}

function step<T>(name: string, action: () => T): T {
  try {
    return action();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw new TcptoTrouble(name, failure.code);
  }
}

/** Empties the table. Throws TcptoTrouble for the steps `write`, `lock` and `clear`. */
export function clearTimeouts(): void {
  const table = step("write", () => openSync(tcptoPath(), constants.O_WRONLY | constants.O_NONBLOCK));
  try {
    step("lock", () => lockExclusive(table));
    step("clear", () => writeSync(table, Buffer.alloc(tcptoSize)));
  } finally {
    closeSync(table);
  }
}

/** Waits for the lock on a table. */
type Lock = (table: number) => void | Promise<void>;

/** What a program with many deliveries does its own way. */
export interface TimeoutsOptions {
  salt?: number;
  lock?: Lock;
}

/** One delivery's view of one host. */
export class HostTimeouts {
  readonly #address: IpAddress;
  readonly #salt: number;
  readonly #lock: Lock;
  #listed = false;

  constructor(address: IpAddress, { salt = process.pid, lock = lockExclusive }: TimeoutsOptions = {}) {
    this.#address = address;
    this.#salt = salt;
    this.#lock = lock;
  }

  /**
   * Whether the host timed out too often, too recently: no use to try. How long that lasts, about one to one and a
   * half hours, depends on our process number or another salt, so that not everybody tries again at the same moment.
   */
  async tooMany(): Promise<boolean> {
    const record = (await this.#withTable((table) => this.#find(records(table))))?.record;
    this.#listed = record !== undefined;
    if (record === undefined || record.readInt8(countAt) < enough) return false;
    return now() - record.readUInt32LE(timeAt) < (60 + (this.#salt & 31)) << 6;
  }

  /** The host was tried and did not time out, even if it refused: its time-outs are forgiven. */
  async answered(): Promise<void> {
    if (this.#listed) await this.#update((record) => record.fill(0, countAt, countAt + 1));
  }

  async timedOut(): Promise<void> {
    await this.#update((record) => {
      const count = record.readInt8(countAt);
      if (count !== 0 && now() < distance + record.readUInt32LE(timeAt)) return undefined;
      record.writeInt8(count >= mostCounted ? mostCounted : count + 1, countAt);
      record.writeUInt32LE(now() >>> 0, timeAt);
      return record;
    }, true);
  }

  /** Changes the host's record; `add`: where there is none it takes the place of the least important one. */
  async #update(change: (record: Buffer) => Buffer | undefined, add = false): Promise<void> {
    if (this.#address.length !== 4) return;
    await this.#withTable((table) => {
      const all = records(table);
      const found = this.#find(all) ?? (add ? this.#replace(all) : undefined);
      const changed = found && change(found.record);
      if (found !== undefined && changed !== undefined)
        writeSync(table, changed, 0, recordSize, found.index * recordSize);
    });
  }

  /** Runs with the table open and locked. No failure matters: without the table every host is simply tried. */
  async #withTable<T>(action: (table: number) => T): Promise<T | undefined> {
    try {
      const table = openTable();
      try {
        await this.#lock(table);
        return action(table);
      } finally {
        closeSync(table);
      }
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return undefined;
    }
  }

  #find(all: readonly Buffer[]): { record: Buffer; index: number } | undefined {
    if (this.#address.length !== 4) return undefined;
    const index = all.findIndex((record) => sameIp(record.subarray(0, 4), this.#address));
    const record = all[index];
    return record && { record, index };
  }

  /** A fresh record in the first unused place, or else that of the host whose time-outs are longest ago. */
  #replace(all: readonly Buffer[]): { record: Buffer; index: number } | undefined {
    let index = all.findIndex((record) => record[countAt] === 0);
    if (index < 0) {
      const weights = all.map((record) => record.readUInt32LE(timeAt) + record.readInt8(countAt) * 1024);
      index = weights.indexOf(Math.min(...weights));
    }
    const record = all[index];
    if (record === undefined) return undefined;
    record.set(this.#address);
    record[countAt] = 0;
    return { record, index };
  }
}

const openTable = (): number => openSync(tcptoPath(), constants.O_RDWR | constants.O_NONBLOCK);

/** The complete records. */
function records(table: number): Buffer[] {
  const bytes = Buffer.alloc(tcptoSize);
  const length = readSync(table, bytes, 0, tcptoSize, 0);
  return Array.from({ length: length >> 4 }, (_, index) =>
    bytes.subarray(index * recordSize, (index + 1) * recordSize),
  );
}

function timeoutsOf(record: Buffer): Timeouts | undefined {
  const count = record.readInt8(countAt);
  if (count < 1) return undefined;
  return { address: record.subarray(0, 4), count, when: record.readUInt32LE(timeAt) };
}
