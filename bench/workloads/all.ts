/** All workloads, in the order in which they run. */
import type { Workload } from "../bench.ts";
import { blurb4Workloads } from "./blurb4.ts";
import { dirtyWorkloads } from "./dirty.ts";
import { idle } from "./idle.ts";
import { latency } from "./latency.ts";
import { listWorkloads } from "./lists.ts";
import { pop3 } from "./pop3.ts";
import { queue } from "./queue.ts";
import { sendmailWorkloads } from "./sendmail.ts";
import { sendmailStart } from "./sendmail-start.ts";
import { smtpInWorkloads } from "./smtp-in.ts";
import { queueToSink, smtpThroughWorkloads } from "./smtp-through.ts";
import { startup } from "./startup.ts";

export const workloads: readonly Workload[] = [
  ...smtpInWorkloads,
  ...smtpThroughWorkloads,
  queueToSink,
  sendmailStart,
  ...sendmailWorkloads,
  latency,
  ...dirtyWorkloads,
  idle,
  startup,
  ...listWorkloads,
  ...blurb4Workloads,
  queue,
  pop3,
];
