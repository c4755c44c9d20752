/** All groups of rows, in the order of the table. */
import { delivery } from "./rows/delivery.ts";
import { exim } from "./rows/exim.ts";
import { injection } from "./rows/injection.ts";
import { migration } from "./rows/migration.ts";
import { nullclients } from "./rows/nullclients.ts";
import { opensmtpd } from "./rows/opensmtpd.ts";
import { postfix } from "./rows/postfix.ts";
import { reading } from "./rows/reading.ts";
import { recipes } from "./rows/recipes.ts";
import type { Group } from "./rows/row.ts";
import { runtimes } from "./rows/runtimes.ts";
import { sockets } from "./rows/sockets.ts";
import { supervision } from "./rows/supervision.ts";

export const groups: readonly Group[] = [
  supervision,
  sockets,
  injection,
  delivery,
  reading,
  postfix,
  exim,
  opensmtpd,
  nullclients,
  ...migration,
  ...recipes,
  runtimes,
];
