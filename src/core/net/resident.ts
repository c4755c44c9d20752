/** All that a server needs in order to stay, for the one import that one-shot servers do without. */

export { letIn } from "./let-in.ts";
export { listenOptions } from "./listen-options.ts";
export { listen } from "./listener.ts";
export { serveSession } from "./session.ts";

/** Clients of QMTP and QMQP that the limits keep out hear nothing, and come again. */
export const silentRefusal: Buffer = Buffer.alloc(0);
