/** All workloads, in the order in which they run. */
import type { Workload } from "../bench.ts";
import { idle } from "./idle.ts";
import { latency } from "./latency.ts";
import { sendmailWorkloads } from "./sendmail.ts";
import { smtpInWorkloads } from "./smtp-in.ts";
import { smtpThroughWorkloads } from "./smtp-through.ts";
import { startup } from "./startup.ts";

export const workloads: readonly Workload[] = [
  ...smtpInWorkloads,
  ...smtpThroughWorkloads,
  ...sendmailWorkloads,
  latency,
  idle,
  startup,
];
