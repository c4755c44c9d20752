/**
 * The places a case runs in: a scratch directory {{T}} with a home, and a qmail home {{QMAIL}}. As root every worker
 * has them in namespaces of its own, with the qmail home at /var/qmail and qmail's users; as an ordinary user they are
 * directories below the temporary directory, and QMAILHOME tells the programs.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isSystemError } from "../../src/core/exit.ts";
import { installLauncher } from "../helpers/launcher.ts";
import { layOutQueue } from "../helpers/layout.ts";
import { bind, mountEmpty, privateDevices, privateSystem } from "../helpers/namespace.ts";
import { groupOf, userNumbers } from "../helpers/users.ts";
import { makeFiles, octal } from "./files.ts";
import type { Case } from "./format.ts";
import { fill } from "./pattern.ts";

const baseControl = {
  me: "test.example\n",
  defaultdomain: "test.example\n",
  plusdomain: "example\n",
  locals: "test.example\nlocalhost\n",
  rcpthosts: "test.example\nlocalhost\n",
};

export class World {
  /** Whether this world has users of its own, so that programs can be run as any of them. */
  readonly switches: boolean;
  readonly work: string;
  readonly scratch: string;
  readonly home: string;
  readonly qmail: string;
  readonly #programs: string;
  #intact: ReadonlySet<string> = new Set();
  readonly #passwd: { passwd: string; lines: string[] } | undefined;

  /** `work`: an empty directory; `programs`: that of the executables; `namespace`: we are root, in namespaces of our own. */
  constructor(work: string, programs: string, namespace: boolean) {
    this.work = work;
    this.switches = namespace;
    this.#programs = namespace ? join(this.work, "bin") : programs;
    if (namespace) {
      mountEmpty(this.work);
      mkdirSync(this.#programs);
      bind(programs, this.#programs);
      this.#passwd = privateSystem(this.work);
      privateDevices(this.work);
    }
    chmodSync(this.work, 0o755);
    this.scratch = join(this.work, "t");
    this.home = join(this.scratch, "home");
    this.qmail = namespace ? "/var/qmail" : join(this.work, "qmail");
  }

  /** What the placeholders {{T}}, {{HOME}}, {{QMAIL}} and {{BIN}} stand for. */
  words(): Record<string, string> {
    return { T: this.scratch, HOME: this.home, QMAIL: this.qmail, BIN: join(this.qmail, "bin") };
  }

  /** Replaces the placeholders of an input. */
  fill(text: string, more: Readonly<Record<string, string>> = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const binary = text.replace(/\{\{LE32NOW-(\d+)\}\}/g, (_, ago: string) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(now - Number(ago));
      return bytes.toString("latin1");
    });
    return fill(binary, { ...this.words(), ...more });
  }

  /** Makes everything new for one case. */
  prepare(test: Case, more: Readonly<Record<string, string>>): void {
    const text = (pattern: string) => this.fill(pattern, more);
    this.clear();
    mkdirSync(this.home, { recursive: true, mode: 0o755 });
    this.#makeQmailHome(test, text);
    makeFiles(this.home, test.files ?? {}, text);
    if (test.home_mode !== undefined) chmodSync(this.home, octal(test.home_mode));
    if (test.user !== undefined && this.switches) give(this.home, userOf(test.user));
    if (this.#passwd !== undefined)
      writeFileSync(this.#passwd.passwd, lines((test.passwd ?? this.#passwd.lines).map(text)));
  }

  /** The number of a user as this world runs it. */
  numberOf(user: string): number {
    return userNumbers[user] ?? 0;
  }

  /** Removes what the last case left, but for what the next one finds as it needs it. */
  clear(): void {
    remove(this.scratch);
    if (!existsSync(this.qmail)) return;
    for (const name of readdirSync(this.qmail)) if (!this.#intact.has(name)) remove(join(this.qmail, name));
  }

  #makeQmailHome(test: Case, text: (pattern: string) => string): void {
    for (const name of ["control", "users", "alias"]) mkdirSync(join(this.qmail, name), { recursive: true });
    if (this.switches) chownSync(join(this.qmail, "alias"), 1001, groupOf("qmailq"));
    if (!this.#intact.has("bin")) this.#makeBin();
    if (!this.#intact.has("queue")) layOutQueue(join(this.qmail, "queue"), this.switches);
    const base = test.control_base === false ? {} : baseControl;
    makeFiles(join(this.qmail, "control"), { ...base, ...test.control }, text);
    makeFiles(this.qmail, test.qmail_files ?? {}, text);
    if (test.needs?.includes("setuid") === true) installLauncher(this.qmail, this.work);
    this.#intact = leftIntact(test);
  }

  #makeBin(): void {
    mkdirSync(join(this.qmail, "bin"), { recursive: true });
    for (const name of readdirSync(this.#programs))
      symlinkSync(join(this.#programs, name), join(this.qmail, "bin", name));
  }
}

/** The directories of the qmail home that a case neither changes before it runs nor reaches while it does. */
function leftIntact(test: Case): Set<string> {
  const changed = new Set(Object.keys(test.qmail_files ?? {}).map((name) => name.split("/")[0]));
  const intact = new Set<string>();
  if (!changed.has("bin") && test.needs?.includes("setuid") !== true) intact.add("bin");
  if (!changed.has("queue") && test.qq !== undefined && test.kind !== "send") intact.add("queue");
  return intact;
}

/** Numbers of a case's user. */
export function userOf(user: string): { uid: number; gid: number } {
  return { uid: userNumbers[user] ?? 0, gid: groupOf(user) };
}

const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join("");

/** Gives a tree to a user. */
function give(path: string, ids: { uid: number; gid: number }): void {
  const result = Bun.spawnSync(["chown", "-Rh", `${ids.uid}:${ids.gid}`, path]);
  if (result.exitCode !== 0) throw new Error(`chown ${path}: ${result.stderr.toString()}`);
}

/** Removes a tree, also where a case made directories unreadable. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (failure) {
    if (!isSystemError(failure, "EACCES")) throw failure;
    Bun.spawnSync(["chmod", "-R", "u+rwX", path]);
    rmSync(path, { recursive: true, force: true });
  }
}
