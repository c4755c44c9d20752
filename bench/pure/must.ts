/** What has to be shown: each line with its target, and whether a run reached it. */
import { advantage } from "./stats.ts";
import { shown } from "./table.ts";

/** Medians by system (`ours`, `postfix`, `reference`) and figure. */
export type Medians = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** A line. */
export interface Must {
  /** What is measured; no two lines have the same. */
  what: string;
  workload: string;
  figure: string;
  unit: string;
  digits: number;
  better: "more" | "less";
  /** Whose figure ours is compared with: then the target is a ratio, and otherwise a figure. */
  against?: "postfix" | "reference";
  /** Absent where it is only to be shown. */
  target?: number;
}

/** A row of the summary. */
export interface Shown {
  what: string;
  target: string;
  figure: string;
  reached: "yes" | "no" | "-";
}

const names = { postfix: "Postfix", reference: "C qmail" } as const;

/** The rows for which a workload has the figures. */
export function judged(musts: readonly Must[], workload: string, medians: Medians): Shown[] {
  return musts.filter((must) => must.workload === workload).flatMap((must) => judge(must, medians) ?? []);
}

function judge(must: Must, medians: Medians): Shown | undefined {
  const { what, figure, unit, digits, better, against, target } = must;
  const ours = medians.ours?.[figure];
  if (ours === undefined || !Number.isFinite(ours)) return undefined;
  const theirs = Object.entries(names).flatMap(([peer, name]) => {
    const value = medians[peer]?.[figure];
    return value !== undefined && Number.isFinite(value) ? [`${name} ${shown(value, digits)}`] : [];
  });
  if (against === undefined)
    return {
      what,
      target:
        target === undefined
          ? "shown"
          : `at ${better === "less" ? "most" : "least"} ${target} ${unit}`.trim(),
      figure: [`${shown(ours, digits)} ${unit}`.trim(), ...theirs].join("; "),
      reached: answer(target, better === "less" ? -ours : ours, better === "less" ? -1 : 1),
    };
  const other = medians[against]?.[figure];
  const ratio = other === undefined ? undefined : advantage(ours, other, better);
  if (ratio === undefined || other === undefined) return undefined;
  return {
    what,
    target: target === undefined ? "shown" : `at least ${target} times ${names[against]}`,
    figure: `x ${ratio.toFixed(2)} (${shown(ours, digits)} to ${shown(other, digits)} ${unit})`,
    reached: answer(target, ratio, 1),
  };
}

const answer = (target: number | undefined, value: number, sign: 1 | -1): Shown["reached"] =>
  target === undefined ? "-" : value >= sign * target ? "yes" : "no";

const rate = { unit: "messages/s", digits: 0, better: "more" } as const;
const time = { unit: "ms", digits: 1, better: "less" } as const;
const flushes = { unit: "", digits: 2, better: "less" } as const;
const memory = { unit: "MiB", digits: 0, better: "less" } as const;
const times = { unit: "times an empty program", digits: 2, better: "less" } as const;

/** All lines, in their order. */
export const musts: readonly Must[] = [
  {
    what: "1. SMTP to Maildir, 20 sessions",
    ...{ workload: "smtp-in-20", figure: "delivered", ...rate, against: "postfix", target: 2.5 },
  },
  {
    what: "1. SMTP to Maildir, 20 sessions, to the original",
    ...{ workload: "smtp-in-20", figure: "delivered", ...rate, against: "reference", target: 5 },
  },
  {
    what: "1. SMTP to Maildir, 100 sessions",
    ...{ workload: "smtp-in-100", figure: "delivered", ...rate, against: "postfix", target: 3 },
  },
  {
    what: "2. SMTP through to smtp-sink, from queue to sink",
    ...{ workload: "queue-to-sink", figure: "delivered", ...rate, against: "postfix", target: 3 },
  },
  {
    what: "2. SMTP through to smtp-sink, all the way, 20 sessions",
    ...{ workload: "smtp-through-20", figure: "delivered", ...rate, against: "postfix", target: 3 },
  },
  {
    what: "3. A single message, acknowledgement to mailbox, p50",
    ...{ workload: "latency", figure: "late50", ...time, target: 10 },
  },
  {
    what: "4. sendmail from a shell, queue in memory, by the clock",
    ...{ workload: "sendmail-start", figure: "timesMemory", ...times, target: 2 },
  },
  {
    what: "4. sendmail from a shell, queue on the disk with its flushes",
    ...{ workload: "sendmail-start", figure: "timesDisk", ...times, target: 2 },
  },
  {
    what: "4. sendmail, one shell",
    ...{ workload: "sendmail-1", figure: "accepted", ...rate, against: "postfix" },
  },
  {
    what: "4. sendmail, 8 shells at once",
    ...{ workload: "sendmail-8", figure: "accepted", ...rate, against: "postfix", target: 1 },
  },
  {
    what: "5. 10,000 recipients with VERP to a Maildir",
    ...{ workload: "verp-maildir", figure: "recipients", ...rate, unit: "recipients/s" },
    ...{ against: "postfix", target: 2 },
  },
  {
    what: "5. 10,000 recipients with VERP to smtp-sink",
    ...{ workload: "verp-sink", figure: "recipients", ...rate, unit: "recipients/s" },
    ...{ against: "postfix", target: 2 },
  },
  {
    what: "6. Memory of qmail-send for each queued message above empty",
    ...{ workload: "queue", figure: "memory", unit: "bytes", digits: 0, better: "less", target: 200 },
  },
  {
    what: "6. Restart to first delivery",
    ...{ workload: "queue", figure: "restart", unit: "s", digits: 1, better: "less", target: 10 },
  },
  {
    what: "6. Cost of a message that passes the large queue, to the small one",
    ...{ workload: "queue", figure: "passRatio", unit: "times", digits: 2, better: "less", target: 1.3 },
  },
  {
    what: "6. Cost of a message that leaves the large queue, to the small one",
    ...{ workload: "queue", figure: "leaveRatio", unit: "times", digits: 2, better: "less", target: 1.3 },
  },
  {
    what: "7. Flushes of the device a message, 20 sessions",
    ...{ workload: "smtp-in-20", figure: "flushes", ...flushes },
  },
  {
    what: "7. Flushing calls a message, 20 sessions",
    ...{ workload: "smtp-in-20", figure: "flushCalls", ...flushes },
  },
  {
    what: "7. Flushes of the device a message, 100 sessions",
    ...{ workload: "smtp-in-100", figure: "flushes", ...flushes },
  },
  {
    what: "7. Flushing calls a message, 100 sessions",
    ...{ workload: "smtp-in-100", figure: "flushCalls", ...flushes },
  },
  {
    what: "8. Memory (PSS) of all processes, started and at rest",
    ...{ workload: "smtp-in-20", figure: "memoryIdle", ...memory },
  },
  {
    what: "8. Memory (PSS) of all processes, the most under 20 sessions",
    ...{ workload: "smtp-in-20", figure: "memory", ...memory },
  },
  {
    what: "8. Memory (PSS) of all processes, the most under 100 sessions",
    ...{ workload: "smtp-in-100", figure: "memory", ...memory },
  },
  {
    what: "Others' dirty data on the disk: a lone message, transaction p99",
    ...{ workload: "dirty-1", figure: "transaction99", ...time, digits: 0, target: 1000 },
  },
  {
    what: "Others' dirty data on the disk: 20 sessions, transaction p99",
    ...{ workload: "dirty-20", figure: "transaction99", ...time, digits: 0, target: 1000 },
  },
];
