/** Why a delivery cannot be made now, or ever. */
import { isSystemError } from "../exit.ts";

/** A step before the delivery failed; `report` says what goes back to qmail-send. */
export class DeliveryTrouble extends Error {
  readonly report: string;
  constructor(report: string) {
    super(report);
    this.report = report;
  }
}

/** Does one step; where a system call fails, the report is this. */
export function attempt<Result>(report: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    throw isSystemError(failure) ? new DeliveryTrouble(report) : failure;
  }
}
