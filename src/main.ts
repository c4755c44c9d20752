/** The multi-call entry: loads what this process was called for, runs it, exits. Nothing else calls process.exit. */
import { brief } from "./brief.ts";

const own = process.execPath.slice(process.execPath.lastIndexOf("/") + 1);
const isBrief = (brief as readonly string[]).includes(own);
const { start } = await (isBrief ? import("./at-once.ts") : import("./any.ts"));
process.exit(await start());
