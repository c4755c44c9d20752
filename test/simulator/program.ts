/**
 * Production code as a factory: each call makes a process of its own, with its own module state, over the calls that
 * are given to it. It is bundled once, with node:fs, libc, the clock and threads as what the simulator gives.
 */
import { constants } from "node:os";
import { join } from "node:path";
import type { callsOf } from "./calls.ts";
import type * as inside from "./inside.ts";

export type Inside = typeof inside;
export type Calls = ReturnType<typeof callsOf>;

/** What a process finds around it. */
export interface Surroundings {
  constants?: typeof constants;
  calls: Calls;
  process: object;
  now: () => number;
  sleep: (milliseconds: number) => Promise<void>;
  pause: (milliseconds: number) => void;
  Worker: unknown;
  self: object;
  spawn: (command: { command: readonly unknown[]; descriptors: readonly unknown[] }) => object;
}

const names = [
  "accessSync",
  "chmodSync",
  "chownSync",
  "closeSync",
  "constants",
  "existsSync",
  "fchmodSync",
  "fchownSync",
  "fstatSync",
  "fsyncSync",
  "ftruncateSync",
  "futimesSync",
  "lchownSync",
  "linkSync",
  "lstatSync",
  "mkdirSync",
  "openSync",
  "readFileSync",
  "readSync",
  "readdirSync",
  "renameSync",
  "rmdirSync",
  "statSync",
  "unlinkSync",
  "utimesSync",
  "writeSync",
];

const none = `() => { throw new Error("simulator: not here"); }`;

/** Modules that are something else here. */
const replaced: Readonly<Record<string, string>> = {
  "node:fs": names.map((name) => `export const ${name} = surroundings.calls.fs.${name};`).join("\n"),
  "node:os": `export const constants = surroundings.constants;
    export const release = () => "6.1"; export const hostname = () => "here";`,
  "node:timers/promises": "export const setTimeout = surroundings.sleep;",
  "bun:ffi": `export const dlopen = ${none}, ptr = ${none}, FFIType = {}, read = {};
    export const toArrayBuffer = ${none}, CString = ${none}, JSCallback = ${none};`,
};

const libc = `
  import { errorText } from "./errors.ts";
  const os = surroundings.constants;
  const calls = surroundings.calls.libc;
  export { errorText };
  export const syncFileSystem = calls.syncFileSystem, pipe = calls.pipe;
  // What is begun with, a power cut may leave or not: as without.
  export const beginWriting = () => {};
  export const libc = () => ({ flock: calls.flock });
  export const errno = () => os.errno.EWOULDBLOCK;
  export const systemError = (call, number) => {
    const code = Object.entries(os.errno).find(([, value]) => value === Math.abs(number))?.[0] ?? "EIO";
    return Object.assign(new Error(code), { code, errno: -1, syscall: call });
  };
  export const checked = (call, result) => result;
  export const zeroTerminated = (text) => Buffer.from(text);
  ${[
    "alarm",
    "byteAt",
    "changeDirectory",
    "duplicateTo",
    "executeWith",
    "hostName",
    "makeFifo",
    "moveAbove",
    "rewind",
  ]
    .concat(["ptr", "setBlocking", "setNonBlocking", "shutDown", "waitFor"])
    .map((name) => `export const ${name} = ${none};`)
    .join("\n")}
`;

/** The queue program is always this very executable. */
const exec = `export class Become extends Error {}
  export const isThisExecutable = () => true, exec = ${none}, replaceBy = ${none};`;

type Factory = (surroundings: Surroundings) => Inside;

export async function bundle(): Promise<Factory> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "inside.ts")],
    format: "cjs",
    target: "node",
    plugins: [
      {
        name: "simulator",
        setup: (build) => {
          build.onResolve({ filter: /^(node:fs|node:os|node:timers\/promises|bun:ffi)$/ }, ({ path }) => ({
            path,
            namespace: "simulated",
          }));
          build.onLoad({ filter: /.*/, namespace: "simulated" }, ({ path }) => ({
            contents: replaced[path] ?? "",
            loader: "js",
          }));
          build.onLoad({ filter: /core\/sys\/libc\.ts$/ }, () => ({ contents: libc, loader: "ts" }));
          build.onLoad({ filter: /core\/sys\/exec\.ts$/ }, () => ({ contents: exec, loader: "ts" }));
        },
      },
    ],
  });
  const text = (await built.outputs[0]?.text()) ?? "";
  const parameters =
    "surroundings, module, exports, process, Date, performance, Worker, self, Atomics, Bun, setImmediate";
  const make = new Function("require", parameters, text);
  return (surroundings) => {
    const { now } = surroundings;
    class SimulatedDate extends Date {
      constructor(...words: readonly number[]) {
        super(...((words.length === 0 ? [now()] : words) as [number]));
      }
      static override now(): number {
        return Math.floor(now());
      }
    }
    const module = { exports: {} };
    make(
      (name: string) => require(name),
      { ...surroundings, constants },
      module,
      module.exports,
      surroundings.process,
      SimulatedDate,
      { now },
      surroundings.Worker,
      surroundings.self,
      {
        wait: (_array: unknown, _index: number, _value: number, milliseconds: number) =>
          surroundings.pause(milliseconds),
      },
      {
        spawn: (command: unknown[], { stdio }: { stdio: unknown[] }) =>
          surroundings.spawn({ command, descriptors: stdio }),
      },
      (act: () => void) => queueMicrotask(act),
    );
    return module.exports as Inside;
  };
}
