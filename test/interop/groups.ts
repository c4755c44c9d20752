/** All groups of rows, in the order of the table. */
import { delivery } from "./rows/delivery.ts";
import { injection } from "./rows/injection.ts";
import type { Group } from "./rows/row.ts";

export const groups: readonly Group[] = [injection, delivery];
