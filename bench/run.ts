/** `npm run bench -- [NAME...]`: measures this project beside Postfix and, if it is here, the original. See usage(). */
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Bench } from "./bench.ts";
import { Tools } from "./clients/source.ts";
import { prepare, root, unshare } from "./ground.ts";
import { measure } from "./measure.ts";
import { ours } from "./peers/ours.ts";
import { layOver, postfix, unpackedPostfix } from "./peers/postfix.ts";
import { reference } from "./peers/reference.ts";
import { judged, musts, type Shown } from "./pure/must.ts";
import { header, now, write } from "./report.ts";
import { workloads } from "./workloads/all.ts";

const usage = `usage: npm run bench -- [NAME...] [--quick] [--rounds N] [--peers ours,postfix,reference]
  [--must] [--processes N,...] [--queue N] [--images DIR] [--calls] [--write] [--list]
NAME is a workload, or what the names of several begin with. --must: only what the table "Must show" of bench/RESULTS.md
is made of, in about 35 minutes; all of everything takes hours. --processes: of our qmail-smtpd that serve; of several
numbers each is a system of its own. --queue: messages in the queue that grows (200000).
--images: where the image of the measured disk is made (the clone). --calls: system calls by program, too.
--write puts the results into bench/RESULTS.md.`;

function give(up: string, code: number): never {
  console.error(`bench: ${up}`);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: "boolean" },
        rounds: { type: "string" },
        peers: { type: "string", default: "ours,postfix,reference" },
        processes: { type: "string", default: "1" },
        must: { type: "boolean" },
        queue: { type: "string" },
        images: { type: "string", default: root },
        calls: { type: "boolean" },
        write: { type: "boolean" },
        list: { type: "boolean" },
      },
    });
  } catch (failure) {
    return give(`${failure instanceof Error ? failure.message : failure}\n${usage}`, 100);
  }
}

const { values, positionals } = options();
const number = (name: "rounds" | "queue", standard: number): number => {
  const text = values[name] ?? `${standard}`;
  return /^[1-9]\d{0,6}$/.test(text)
    ? Number(text)
    : give(`--${name} takes a number from 1 on, not ${text}`, 100);
};
const processes = values.processes.split(",").map((text) => {
  if (!/^[1-9]\d?$/.test(text)) return give(`--processes takes numbers from 1 to 99, not ${text}`, 100);
  return Number(text);
});
/** A whole name means only itself. */
const named = (wanted: string, name: string): boolean =>
  workloads.some((workload) => workload.name === wanted) ? name === wanted : name.startsWith(wanted);
const chosen = workloads.filter(
  ({ name, must }) =>
    (positionals.length === 0 || positionals.some((wanted) => named(wanted, name))) &&
    (values.must !== true || must !== undefined),
);
const stranger = positionals.find((wanted) => !workloads.some(({ name }) => name.startsWith(wanted)));
if (stranger !== undefined) give(`no workload's name begins with ${stranger}; --list shows them`, 100);

if (values.list === true) for (const { name, about } of chosen) console.log(`${name}: ${about}`);
else if (process.env.QMAIL_BENCH === undefined) process.exit(await outside());
else await inside();

/** Runs this again in namespaces of its own, and sees to it that they end with us. */
async function outside(): Promise<number> {
  if (process.geteuid?.() !== 0) return give("needs root, for namespaces and mounts", 111);
  if (Bun.which("unshare") === null) return give("needs unshare(1)", 111);
  const id = `${process.pid}`;
  // The shell waits for processes whose parents have ended.
  const again = [
    "sh",
    "-c",
    '"$@"; exit $?',
    "sh",
    process.execPath,
    import.meta.path,
    ...process.argv.slice(2),
  ];
  const child = Bun.spawn([...unshare, ...again], {
    env: { ...process.env, QMAIL_BENCH: id },
    stdio: ["pipe", "inherit", "inherit"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      console.error(`bench: ${signal}; ending`);
      // With it goes everything in its namespaces.
      child.kill("SIGKILL");
    });
  const code = await child.exited;
  removeGroups(id);
  return child.signalCode === null ? code : 130;
}

/** Groups of processes belong to no namespace: removes ours, and those of a bench that was killed. */
function removeGroups(id: string): void {
  const remove = `mount -t cgroup2 none /mnt && cd /mnt && for left in 1 2 3 4 5 6 7 8 9 10; do
    for group in qmail-bench-*; do
      of=\${group#qmail-bench-}
      [ -d "/proc/\${of%-*}" ] && [ "\${of%-*}" != ${id} ] || rmdir "$group" 2>/dev/null
    done
    ls -d qmail-bench-${id}-* >/dev/null 2>&1 || exit 0
    sleep 0.2
  done`;
  Bun.spawnSync(["unshare", "--mount", "--propagation", "private", "sh", "-c", remove]);
}

async function inside(): Promise<void> {
  // Whoever started us is gone.
  process.stdin.on("end", () => process.exit(130)).resume();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
  const unpacked = unpackedPostfix();
  if (unpacked === undefined)
    give("Postfix's smtp-source is the client, and is not here (test/interop/postfix.sh fetch)", 111);
  const device = prepare(values.images);
  layOver(unpacked);
  const known = [
    ...processes.map((count) => ours(count)),
    postfix(unpacked),
    reference(process.env.QMAIL_REFERENCE),
  ];
  const peers = known.filter(({ key }) => values.peers.split(",").includes(key));
  const quick = values.quick ?? false;
  const lines: string[] = [];
  const say = (line: string) => {
    lines.push(line);
    console.log(line);
  };
  const bench: Bench = {
    tools: new Tools(unpacked),
    quick,
    device,
    queueSize: number("queue", quick ? 5000 : 200_000),
    calls: values.calls ?? false,
    say,
    show: console.log,
  };
  const rounds = number("rounds", quick ? 1 : 5);
  const head = header(peers, rounds, quick);
  for (const line of head) say(line);
  const shown: Shown[] = [];
  const failures: string[] = [];
  for (const workload of chosen) {
    const begin = Date.now();
    const must = values.must === true ? workload.must : undefined;
    const able = must === undefined ? peers : peers.filter(({ key }) => must.peers.includes(key));
    const extent = {
      rounds: Math.min(rounds, workload.rounds ?? rounds),
      looks: must === undefined || must.look === true,
    };
    lines.length = 0;
    const { failed, medians } = await measure(workload, able, bench, extent);
    if (failed) failures.push(workload.name);
    const rows = judged(musts, workload.name, medians);
    shown.push(...rows);
    console.log(`\n(${workload.name}: ${((Date.now() - begin) / 1000).toFixed(0)} s)`);
    const when = `${now()}, rounds: ${extent.rounds}${quick ? ", --quick" : ""}`;
    // After each, so that an end before the end loses no more than one.
    if (values.write === true)
      write(join(root, "bench/RESULTS.md"), { head: head.join("\n"), lines, rows, when });
  }
  console.log("");
  for (const { what, target, figure, reached } of shown)
    console.log(`${reached.padStart(3)}  ${what}: ${figure} (${target})`);
  if (failures.length > 0) give(`failed: ${failures.join(", ")}`, 1);
  process.exit(0);
}
