/**
 * users/poppasswd: passwords of mail users, `name:hash` a line (checkpassword(8)). A hash tells how it was made, so
 * that new ones may take more work than old ones: `$scrypt$ln=15,r=8,p=1$SALT$HASH`, the last two in base64.
 */
import { randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";

/** Below a home. */
export const poppasswdFile = "users/poppasswd";

/** What a hash costs (RFC 7914): 2^logCost blocks of 128 * blockSize bytes, parallel times. */
interface Work {
  logCost: number;
  blockSize: number;
  parallel: number;
}

/** 32 MB, about 80 milliseconds. */
const standard: Work = { logCost: 15, blockSize: 8, parallel: 1 };
const saltSize = 16;
const hashSize = 32;

/** More than this nobody's file makes us do. */
const memoryLimit = 256 << 20;

const shape = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** A new hash for a password. */
export function hashPassword(password: Uint8Array): string {
  const salt = randomBytes(saltSize);
  const { logCost, blockSize, parallel } = standard;
  const fields = [
    `ln=${logCost},r=${blockSize},p=${parallel}`,
    ...[salt, derive(password, salt, standard)].map(base64),
  ];
  return `$scrypt$${fields.join("$")}`;
}

/** Whether a hash is that of the password. One that nobody can read is nobody's. */
export function isPassword(password: Uint8Array, stored: string): boolean {
  const [, logCost, blockSize, parallel, salt = "", hash = ""] = shape.exec(stored) ?? [];
  const wanted = Buffer.from(hash, "base64");
  const work = { logCost: Number(logCost), blockSize: Number(blockSize), parallel: Number(parallel) };
  if (wanted.length !== hashSize || !isBearable(work)) return false;
  return timingSafeEqual(derive(password, Buffer.from(salt, "base64"), work), wanted);
}

/** Takes as long as isPassword(), so that nobody learns who has a password here. */
export function pretendToCheck(password: Uint8Array): void {
  derive(password, Buffer.alloc(saltSize), standard);
}

function isBearable({ logCost, blockSize, parallel }: Work): boolean {
  return logCost > 0 && blockSize > 0 && parallel > 0 && 2 ** logCost * blockSize * 128 <= memoryLimit;
}

function derive(password: Uint8Array, salt: Uint8Array, { logCost, blockSize, parallel }: Work): Buffer {
  const cost = { N: 2 ** logCost, r: blockSize, p: parallel, maxmem: memoryLimit + (1 << 20) };
  return scryptSync(password, salt, hashSize, cost);
}

const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

/** The hash of a user, whose name is in small letters; undefined without one. Throws if the file cannot be read. */
export function storedPassword(name: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(inHome(poppasswdFile), "latin1");
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name}:`));
  return line?.slice(name.length + 1);
}

/** The text of the file with another hash for a user; without any if `hash` is undefined. */
export function withPassword(text: string, name: string, hash: string | undefined): string {
  const others = text.split("\n").filter((line) => line !== "" && !line.startsWith(`${name}:`));
  const lines = hash === undefined ? others : [...others, `${name}:${hash}`];
  return lines.map((line) => `${line}\n`).join("");
}
