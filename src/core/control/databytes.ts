/** The largest message that servers take: $DATABYTES, or else control/databytes. */
import { leadingNumber } from "../bytes/text.ts";
import { environment } from "../sys/arguments.ts";
import { controlNumber } from "./control.ts";

/** Bytes; 0: no limit. Throws where the control file cannot be read. */
export function databytes(): number {
  const configured = controlNumber("databytes") ?? 0;
  const chosen = environment("DATABYTES");
  return chosen === undefined ? configured : (leadingNumber(chosen) ?? 0);
}
