/** Readers of what the kernel, strace and Postfix's tools count. Text in, numbers out. */

/** Requests to flush that a block device has finished, by /proc/diskstats; undefined if it is not there. */
export function deviceFlushes(diskstats: string, device: string): number | undefined {
  // major minor name, then 17 numbers; the 16th: flush requests completed (Documentation/admin-guide/iostats.rst)
  const line = diskstats.split("\n").find((text) => text.trim().split(/\s+/)[2] === device);
  const number = Number(line?.trim().split(/\s+/)[18]);
  return Number.isFinite(number) ? number : undefined;
}

/** Processor time of a cgroup, in seconds, by its cpu.stat. */
export function processorTime(cpuStat: string): { user: number; system: number } {
  const of = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(cpuStat)?.[1]) / 1e6;
  return { user: of("user_usec"), system: of("system_usec") };
}

/** Processor time of a process and its children that have ended, in seconds, by its /proc/PID/stat; 0 of an empty one. */
export function processTime(stat: string): number {
  // After the name, which may have anything in it: state is the 3rd field, utime, stime, cutime, cstime 14th to 17th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

/** Proportional set size of a process, in bytes, by its smaps_rollup; 0 if that is empty (a process that has ended). */
export function proportionalSize(smapsRollup: string): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(smapsRollup)?.[1] ?? 0) * 1024;
}

/** Calls by name, by the table of `strace -c`. */
export function tracedCalls(table: string): Map<string, number> {
  const calls = new Map<string, number>();
  for (const line of table.split("\n")) {
    // % time, seconds, usecs/call, calls, [errors], syscall
    const [, count, name] = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_]\w*)$/.exec(line) ?? [];
    if (name !== undefined && name !== "total") calls.set(name, (calls.get(name) ?? 0) + Number(count));
  }
  return calls;
}

/** Messages that smtp-sink -c has counted; its output is one line over and over. */
export function sinkMessages(output: string): number {
  const all = [...output.matchAll(/mesg=(\d+)/g)];
  return Number(all.at(-1)?.[1] ?? 0);
}

/** System calls by program in what `strace -f -o` wrote; `programs` names the tasks that are known from elsewhere. */
export function callsByProgram(
  trace: string,
  programs: ReadonlyMap<number, string>,
): Map<string, Map<string, number>> {
  const names = new Map(programs);
  const calls = new Map<string, Map<string, number>>();
  /** Arguments of calls that other tasks' lines have interrupted. */
  const begun = new Map<number, string>();
  for (const line of trace.split("\n")) {
    const [, id, resumed, call, rest = ""] =
      /^(\d+) +(<\.\.\. )?([a-z_]\w*)(?:\(| resumed>)(.*)/.exec(line) ?? [];
    if (call === undefined) continue;
    const task = Number(id);
    if (resumed === undefined) {
      const name = names.get(task) ?? "(unknown)";
      const counts = calls.get(name) ?? new Map<string, number>();
      counts.set(call, (counts.get(call) ?? 0) + 1);
      calls.set(name, counts);
    }
    if (rest.endsWith("<unfinished ...>")) begun.set(task, rest);
    const result = Number(/ = (\d+)$/.exec(rest)?.[1] ?? -1);
    const path = /^"([^"]*)"/.exec(resumed === undefined ? rest : (begun.get(task) ?? ""))?.[1];
    const name = names.get(task);
    if (call === "execve" && result === 0 && path !== undefined)
      names.set(task, path.split("/").at(-1) ?? path);
    else if (/^(clone3?|v?fork)$/.test(call) && result > 0 && name !== undefined) {
      if (!names.has(result)) names.set(result, name);
    }
  }
  return calls;
}
