/** The columns of the workloads: the same figure has the same title everywhere. */
import type { Figure } from "../pure/table.ts";

const all = {
  accepted: { title: "accepted messages/s", digits: 0, better: "more" },
  delivered: { title: "delivered messages/s", digits: 0, better: "more" },
  recipients: { title: "delivered recipients/s", digits: 0, better: "more" },
  processor: { title: "processor ms/message", digits: 3, better: "less" },
  processorSystem: { title: "of it in the kernel, ms", digits: 3, better: "less" },
  flushes: { title: "device flushes/message", digits: 3, better: "less" },
  flushCalls: { title: "fsync and the like/message", digits: 3, better: "less" },
  late50: { title: "acknowledged to mailbox p50, ms", digits: 1, better: "less" },
  late99: { title: "acknowledged to mailbox p99, ms", digits: 1, better: "less" },
  slowest: { title: "slowest transaction, ms", digits: 0, better: "less" },
  writes: { title: "the other program, MiB/s", digits: 0, better: "more" },
  data: { title: "its data when mail begins, MiB", digits: 0, better: "more" },
  transaction50: { title: "transaction p50, ms", digits: 1, better: "less" },
  transaction99: { title: "transaction p99, ms", digits: 1, better: "less" },
  seconds: { title: "seconds until all is done", digits: 2, better: "less" },
  queueing: { title: "queued messages/s", digits: 0, better: "more" },
  memoryIdle: { title: "memory (PSS) before, at rest, MiB", digits: 1, better: "less" },
  memory: { title: "peak memory (PSS), MiB", digits: 1, better: "less" },
} as const satisfies Record<string, Omit<Figure, "key">>;

/** Figures by key, in that order. */
export const pick = (...keys: readonly (keyof typeof all)[]): Figure[] =>
  keys.map((key) => ({ key, ...all[key] }));

const cost = ["processor", "processorSystem", "flushes"] as const;
const late = ["late50", "late99", "transaction50", "transaction99"] as const;

export const figures = {
  smtpIn: pick("accepted", "delivered", ...cost, "flushCalls", ...late, "memoryIdle", "memory"),
  sendmail: pick("accepted", "delivered", ...cost, "flushCalls", ...late, "memory"),
  through: pick("accepted", "delivered", ...cost, "flushCalls", "memory"),
  list: pick("seconds", "recipients", ...cost, "flushCalls", "memory"),
  separate: pick("queueing", "delivered", ...cost),
  mixed: pick("seconds", "delivered", ...cost, "flushCalls", "memory"),
  latency: pick(...late),
  dirty: pick(
    ...(["transaction50", "transaction99", "slowest", "late50", "late99"] as const),
    ...(["accepted", "flushes", "writes", "data"] as const),
  ),
  drain: pick("delivered", ...cost),
};
