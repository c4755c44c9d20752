/** Everything that is fuzzed. */
import { clients } from "./clients.ts";
import type { Engine } from "./engine.ts";
import { readers } from "./readers.ts";
import { servers } from "./servers.ts";

export const engines: readonly Engine[] = [...servers, ...clients, ...readers];
