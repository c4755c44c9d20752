/** The largest message that servers take: $DATABYTES, or else control/databytes. */
import { leadingNumber } from "../bytes/text.ts";
import { environment } from "../sys/arguments.ts";
import type { Variables } from "../sys/connection.ts";
import { controlNumber } from "./control.ts";

/** Bytes; 0: no limit. Throws where the control file cannot be read. */
export function databytes(variable: Variables = environment): number {
  const configured = controlNumber("databytes") ?? 0;
  const chosen = variable("DATABYTES");
  return chosen === undefined ? configured : (leadingNumber(chosen) ?? 0);
}
