/** `run.js NAME`: runs the checks of one module. */
import { rows as inject } from "./inject.js";
import { rows as maildir } from "./maildir.js";
import { rows as queue } from "./queue.js";
import { run } from "./row.js";
import { rows as values } from "./values.js";

const modules = { inject, maildir, queue, values };
const name = process.argv[2] as keyof typeof modules;
await run(modules[name]);
