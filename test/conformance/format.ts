/**
 * The recorded cases: their shape (vectors/README.md describes it) and their byte strings. Inside the harness bytes
 * are latin1 strings, one character a byte, so that patterns and comparisons are plain string work.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A byte string inside a list or map: text stands for its UTF-8 bytes. */
export type Bytes = string | { b64: string };

/** A file to make; see "file specification" in vectors/README.md. */
export interface FileObject {
  content?: string;
  content_b64?: string;
  b64?: string;
  mode?: string;
  mtime?: number;
  age?: number;
  owner?: string | number;
  type?: "dir" | "symlink" | "fifo";
  target?: string;
}
export type FileSpecification = string | FileObject;

/** What a queue program or cleaner leaves behind, or a tree that is compared. */
export interface FileExpectation {
  path?: string;
  content?: string;
  content_b64?: string;
  mode?: string;
  type?: string;
  removed?: boolean;
  split_ok?: boolean;
  next_minus_birth?: number;
}

/** One command to a spawner. */
export interface Command {
  channel: Channel;
  delnum: number;
  split_ok: boolean;
  sender: string;
  recip: string;
}
export type Channel = "local" | "remote";

export interface QueueMessage {
  message?: string;
  message_b64?: string;
  sender?: string;
  recips?: Bytes[];
  raw_envelope?: Bytes;
  raw_envelope_b64?: string;
  uid?: number;
  pid?: number;
  stage?: "queued";
  age?: number;
  next?: number;
  local?: Bytes[];
  remote?: Bytes[];
  bounce?: Bytes;
}

export type Action =
  | ["signal", NodeJS.Signals]
  | ["control", string, Bytes]
  | ["write", Channel, Bytes]
  | ["close", Channel | "clean"]
  | ["todo", QueueMessage];

export interface Reply {
  channel?: Channel;
  recip?: string;
  times?: number;
  reply: Bytes;
}

export type Step =
  | ["send", Bytes]
  | ["line"]
  | ["lines", number]
  | ["data"]
  | ["bytes", number]
  | ["sleep", number]
  | ["eof"]
  | ["close"];

export interface ServerScript {
  address?: string;
  port?: number;
  refuse?: boolean;
  steps?: Step[];
}

/** AAAA is not in the recorded cases. */
export interface ZoneEntry {
  A?: string[];
  AAAA?: string[];
  MX?: [number, string][];
  CNAME?: string;
  PTR?: string | string[];
  TXT?: string;
}

export interface Zone {
  zone: Record<string, ZoneEntry>;
  servfail?: string[];
}

export interface Expectation {
  exit: number | string;
  stdout?: string;
  stderr?: string;
  queued?: { message?: string; envelope?: string }[];
  files?: FileExpectation[];
  queue?: Record<string, FileExpectation[]>;
  server_saw?: string;
  servers_saw?: (Bytes | null)[];
  log?: string;
  commands?: Command[];
  clean?: string[];
  queue_left?: Record<string, FileExpectation[]>;
}

/** One case. Which fields mean what: vectors/README.md. */
export interface Case {
  id: string;
  about: string;
  program: string;
  kind?: "run" | "send";
  argv?: Bytes[];
  argv0?: string;
  env: Record<string, Bytes | null>;
  control?: Record<string, FileSpecification | null>;
  control_base?: boolean;
  files?: Record<string, FileSpecification>;
  home_mode?: string;
  qmail_files?: Record<string, FileSpecification | null>;
  passwd?: string[];
  stdin?: string;
  stdin_kind?: "pipe" | "file" | "hold" | "dir" | "tcp";
  tcp?: { local_port: number; remote_port: number };
  fd_inputs?: Record<string, Bytes>;
  close_fds?: number[];
  user?: string;
  umask?: string;
  qq?: { exit?: number; signal?: number; fd6?: Bytes };
  server?: ServerScript;
  servers?: ServerScript[];
  dns?: Zone;
  collect?: string[];
  queue?: boolean;
  ignore?: string[];
  needs?: string[];
  queue_messages?: QueueMessage[];
  replies?: Reply[];
  before_replies?: Action[];
  after_idle?: Action[];
  spawn_limits?: [number, number];
  clean_reply?: Bytes;
  expect: Expectation;
}

/** The bytes of a value, as latin1. */
export function bytesOf(value: Bytes): string {
  return typeof value === "string"
    ? Buffer.from(value).toString("latin1")
    : Buffer.from(value.b64, "base64").toString("latin1");
}

/** The bytes of a field that is stored as `name` or `name_b64`; undefined without either. */
export function field(record: object, name: string): string | undefined {
  const values = record as Record<string, unknown>;
  const encoded = values[`${name}_b64`];
  if (typeof encoded === "string") return bytesOf({ b64: encoded });
  const value = values[name];
  return value === undefined || value === null ? undefined : bytesOf(value as Bytes);
}

/** Every recorded case, by file in the order of their names. */
export function loadCases(directory: string): Case[] {
  const files = readdirSync(directory).filter((name) => name.endsWith(".jsonl"));
  return files.sort().flatMap((name) =>
    readFileSync(join(directory, name), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Case),
  );
}
