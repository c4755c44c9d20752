/** What is bundled for the simulated processes: production code as it is, and nothing else. */
import "../../src/core/sys/flush-worker.ts";

export { giveOrder } from "../../src/core/cli/queue-order.ts";
export { meanwhile, Together, waiting } from "../../src/core/delivery/together.ts";
export { Exit } from "../../src/core/exit.ts";
export { Routing } from "../../src/core/mail/routing.ts";
export { deliverToMaildir, MaildirDelivery, MaildirFailure } from "../../src/core/maildir/deliver.ts";
export { appendToMbox, MboxFailure } from "../../src/core/maildir/mbox.ts";
export { Cleaning } from "../../src/core/queue/cleaning.ts";
export { realDisk } from "../../src/core/queue/disk.ts";
export { envelopeOf } from "../../src/core/queue/envelope.ts";
export { GroupCommit } from "../../src/core/queue/group.ts";
export { enterQueue, takeIn, takeInWith } from "../../src/core/queue/intake.ts";
export { mendPid } from "../../src/core/queue/mend-rights.ts";
export { mendStates } from "../../src/core/queue/mend-states.ts";
export { mendNames } from "../../src/core/queue/mending.ts";
export { queuePath, relativePath } from "../../src/core/queue/paths.ts";
export { lockForSending } from "../../src/core/queue/queue-lock.ts";
export { queuedMessages } from "../../src/core/queue/queued.ts";
export { sweepEnvelopes, sweepPid } from "../../src/core/queue/remove.ts";
export { pullTrigger } from "../../src/core/queue/trigger.ts";
export { Flusher } from "../../src/core/sys/flusher.ts";
export { queueBounce } from "../../src/programs/qmail-send/inject.ts";
export { Manager } from "../../src/programs/qmail-send/manager.ts";
