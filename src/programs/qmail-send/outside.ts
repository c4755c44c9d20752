/** The manager with the real outside: the queue on disk, the log, the partners, and what can happen to them. */
import { constants, openSync } from "node:fs";
import { ControlTrouble } from "../../core/control/routing.ts";
import { isSystemError } from "../../core/exit.ts";
import { Routing } from "../../core/mail/routing.ts";
import type { Cleaning } from "../../core/queue/cleaning.ts";
import { realDisk } from "../../core/queue/disk.ts";
import { triggerPath } from "../../core/queue/trigger.ts";
import { arrivals } from "../../core/sys/input.ts";
import type { Bell } from "./bell.ts";
import { type Channel, channels } from "./channel.ts";
import type { Settings } from "./context.ts";
import { type Controls, rereadRouting } from "./controls.ts";
import { queueBounce } from "./inject.ts";
import { Manager } from "./manager.ts";
import { Outbox } from "./outbox.ts";
import { CommandPipe } from "./partners.ts";
import type { SendSignal, Signals } from "./signals.ts";

/** Commands to a spawner, its reports. */
export const spawners = [
  { commands: 1, reports: 2 },
  { commands: 3, reports: 4 },
] as const;

/** Requests to qmail-clean, its answers. */
const cleaner = { requests: 5, answers: 6 } as const;

/** The clock of the scheduler: Unix seconds. */
export const seconds = (): number => Math.floor(Date.now() / 1000);

/** A manager that lives. */
export interface Living {
  manager: Manager;
  /** Sends the log, the requests to qmail-clean and the commands to the spawners on their way. */
  flush: () => void;
}

/** Makes the manager and lets it hear of everything that happens. Every event rings the bell. */
export function bringToLife(
  controls: Controls,
  settings: Settings,
  cleaning: Cleaning | undefined,
  log: Outbox,
  bell: Bell,
  signals: Signals,
): Living {
  const routing = new Routing(controls.routing);
  const requests = new Outbox(cleaner.requests, () => manager.cleanerLost());
  const pipe = (channel: Channel): CommandPipe => {
    // Later: a command is in the middle of being sent.
    const lost = (): void =>
      queueMicrotask(() => {
        manager.spawnerLost(channel);
        bell.ring();
      });
    return new CommandPipe(spawners[channel].commands, lost, bell.ring);
  };
  const pipes = [pipe(0), pipe(1)] as const;
  const manager: Manager = new Manager(
    {
      disk: realDisk,
      log: (text) => log.add(text),
      spawners: pipes,
      askCleaner:
        cleaning === undefined
          ? (request) => requests.add(`${request}\0`)
          : (request) => manager.cleanerAnswered(Buffer.from(cleaning.answer(request)), seconds()),
      uptime: () => performance.now() / 1000,
      inject: (notice, done) => {
        queueBounce(notice)
          .then((injection) => done(injection, seconds()))
          .then(bell.ring, bell.fail);
      },
    },
    settings,
    routing,
    seconds(),
  );
  listenToPartners(manager, bell);
  listenToTrigger(manager, bell);
  listenToSignals(manager, controls.me, routing, log, bell, signals);
  return {
    manager,
    flush: () => {
      log.flush();
      requests.flush();
      for (const commands of pipes) commands.flush();
    },
  };
}

/** Hands over what arrives on a descriptor, and its end. */
function listen(fd: number, bell: Bell, receive: (bytes: Uint8Array) => void, lost: () => void): void {
  const follow = async (): Promise<void> => {
    try {
      for await (const bytes of arrivals(fd)) {
        receive(bytes);
        bell.ring();
      }
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
    }
    lost();
    bell.ring();
  };
  follow().catch(bell.fail);
}

function listenToPartners(manager: Manager, bell: Bell): void {
  for (const channel of channels)
    listen(
      spawners[channel].reports,
      bell,
      (bytes) => manager.reported(channel, bytes, seconds()),
      () => manager.spawnerLost(channel),
    );
  listen(
    cleaner.answers,
    bell,
    (bytes) => manager.cleanerAnswered(bytes, seconds()),
    () => manager.cleanerLost(),
  );
}

/** The trigger is opened for writing, too, so that it never ends. Without it, todo is looked at now and then. */
function listenToTrigger(manager: Manager, bell: Bell): void {
  let fd: number;
  try {
    fd = openSync(triggerPath(), constants.O_RDWR | constants.O_NONBLOCK);
  } catch (failure) {
    if (isSystemError(failure)) return;
    throw failure;
  }
  listen(
    fd,
    bell,
    () => manager.triggered(),
    () => {},
  );
}

function listenToSignals(
  manager: Manager,
  me: string | undefined,
  initial: Routing,
  log: Outbox,
  bell: Bell,
  signals: Signals,
): void {
  let routing = initial;
  const on = (signal: SendSignal, act: () => void): void =>
    signals.on(signal, () => {
      act();
      bell.ring();
    });
  on("SIGTERM", () => manager.stop());
  on("SIGALRM", () => manager.retryAll(seconds()));
  on("SIGHUP", () => {
    routing = reread(me, routing, log);
    manager.reroute(routing);
  });
}

function reread(me: string | undefined, routing: Routing, log: Outbox): Routing {
  try {
    return rereadRouting(me, routing);
  } catch (failure) {
    if (!(failure instanceof ControlTrouble)) throw failure;
    log.add(`alert: unable to reread ${failure.file}\n`);
    return routing;
  }
}
