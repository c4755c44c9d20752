/** All workloads, in the order in which they run. */
import type { Workload } from "../bench.ts";
import { smtpInWorkloads } from "./smtp-in.ts";

export const workloads: readonly Workload[] = [...smtpInWorkloads];
