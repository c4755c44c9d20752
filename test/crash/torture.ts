/**
 * `npm run torture`: the long forms, one after the other, each with its table. The exit code is 1 if anything was lost,
 * torn, left, or ended as no manual page says; `--help` says which options there are.
 *
 * Whatever ends it, its processes and mounts end, too, and the next one removes its files.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { namespace } from "../helpers/namespace.ts";
import { printTable } from "./table.ts";

const usage = `usage: npm run torture -- [OPTION ...]
  --only NAMES      some of power,worlds,weakened,faults,simulator; all but faults and simulator need root
  --seed N          default: 1
  --scratch DIR     default: /dev/shm
power
  --cuts N          of each file system (ext4 in its three ways of writing) and each kind of disk cache; default: 35,
                    which is 210 on ext4 and 70 on each other
  --fs KINDS        default: ext4,xfs,btrfs
worlds
  --full SECONDS    how long a disk is full; default: 600
faults
  --most N          runs of each program with each fault; default: one for every system call
  --lanes N         runs at once; default: 6
  --out FILE        the table as Markdown, written after each program
  --from PROGRAM    goes on with that one; what FILE has of those before it is kept
`;

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "35" },
    fs: { type: "string", default: "ext4,xfs,btrfs" },
    most: { type: "string", default: "1000000" },
    lanes: { type: "string", default: "6" },
    out: { type: "string" },
    from: { type: "string" },
    help: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    full: { type: "string", default: "600" },
    scratch: { type: "string", default: "/dev/shm" },
    only: { type: "string", default: "power,worlds,weakened,faults,simulator" },
  },
});

if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

interface Form {
  name: string;
  words: string[];
  /** Whether it needs mounts, and so root. */
  mounts: boolean;
  /** About how long, in seconds, on two processors with nothing else to do. */
  seconds: number;
}

const { cuts, most, seed, full, lanes, out, from } = values;
const kinds = values.fs
  .split(",")
  .flatMap((fs) => (fs === "ext4" ? [fs, "ext4-writeback", "ext4-nodelalloc"] : [fs]));

const forms: readonly Form[] = [
  {
    name: "power",
    words: ["power-cut.ts", ...kinds.flatMap((kind) => ["--kind", kind]), "--cuts", cuts, "--seed", seed],
    mounts: true,
    seconds: kinds.length * 2 * (6 + Number(cuts) * 1.6),
  },
  {
    name: "worlds",
    words: ["small-disk.ts", "full", "--seconds", full],
    mounts: true,
    seconds: Number(full) + 60,
  },
  { name: "worlds", words: ["small-disk.ts", "read-only"], mounts: true, seconds: 30 },
  { name: "worlds", words: ["small-disk.ts", "reuse"], mounts: true, seconds: 30 },
  {
    name: "weakened",
    words: ["weakened.ts", "--cuts", String(Math.min(20, Number(cuts) * 2))],
    mounts: true,
    seconds: 300,
  },
  {
    name: "faults",
    words: [
      ...["inject.ts", "--most", most, "--seed", seed, "--lanes", lanes],
      ...(out === undefined ? [] : ["--out", resolve(out)]),
      ...(from === undefined ? [] : ["--from", from]),
    ],
    mounts: false,
    // Twelve programs that run once, twelve systems and servers; seven faults at calls.
    seconds: Math.min(Number(most), 25) * 7 * 12 * 0.05 + Math.min(Number(most), 60) * 7 * 12 * 0.3,
  },
  { name: "simulator", words: ["../simulator/run.ts", "--seeds", "300"], mounts: false, seconds: 300 },
  { name: "simulator", words: ["../simulator/run.ts", "--barriers"], mounts: false, seconds: 330 },
];

const prefix = "qmail-torture-";

/** What a torture left that was killed: its directory names the process. */
function removeLeftovers(): void {
  for (const name of readdirSync(values.scratch)) {
    const [, pid] = /^qmail-torture-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(values.scratch, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (failure) {
    return failure instanceof Error && "code" in failure && failure.code === "EPERM";
  }
}

const inTime = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} seconds` : `${Math.round(seconds / 60)} minutes`;

const isRoot = process.geteuid?.() === 0;
const wanted = forms.filter(
  ({ name, mounts }) => values.only.split(",").includes(name) && (isRoot || !mounts),
);
for (const { name } of forms.filter((form) => !isRoot && form.mounts))
  console.error(`torture: ${name} needs root`);
const total = wanted.reduce((sum, { seconds }) => sum + seconds, 0);
console.error(`torture: about ${inTime(total)}, if the machine has nothing else to do`);

removeLeftovers();
const scratch = mkdtempSync(join(values.scratch, `${prefix}${process.pid}-`));
const results: { form: string; seconds: number; result: string }[] = [];

/** The form as a process with which everything ends that it started; and it ends with us. */
function start({ words }: Form): Bun.Subprocess {
  const [file = "", ...more] = words;
  const command = [process.execPath, join(import.meta.dir, file), ...more];
  return Bun.spawn(["setpriv", "--pdeathsig", "KILL", ...(isRoot ? namespace : []), ...command], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, TMPDIR: scratch },
  });
}

let running: Bun.Subprocess | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    running?.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
    process.exit(111);
  });

try {
  for (const form of wanted) {
    const begin = Date.now();
    running = start(form);
    const code = await running.exited;
    const result = code === 0 ? "nothing lost" : `FAILED (${code})`;
    results.push({
      form: form.words.slice(0, 2).join(" "),
      seconds: Math.round((Date.now() - begin) / 1000),
      result,
    });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
printTable(`torture, seed ${seed}`, results);
process.exitCode = results.some(({ result }) => result !== "nothing lost") || results.length === 0 ? 1 : 0;
