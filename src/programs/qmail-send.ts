/**
 * qmail-send(8): schedules the messages in the queue for delivery. Log on descriptor 0; commands on 1 and 3, reports
 * on 2 and 4 (qmail-lspawn, qmail-rspawn); requests on 5, answers on 6 (qmail-clean).
 */
import { constants, fstatSync, openSync } from "node:fs";
import { Exit, isSystemError } from "../core/exit.ts";
import { triggerPath } from "../core/queue/trigger.ts";
import { readSome, writeAll } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { arrivals } from "../core/sys/input.ts";
import { tryLockExclusive } from "../core/sys/lock.ts";
import { become, idsOf, queueIdentity } from "../core/users/identity.ts";
import { type Channel, channels } from "./qmail-send/channel.ts";
import { helpPause, type Settings } from "./qmail-send/context.ts";
import { type Controls, ControlTrouble, readControls, rereadRouting } from "./qmail-send/controls.ts";
import { realDisk } from "./qmail-send/disk.ts";
import { queueBounce } from "./qmail-send/inject.ts";
import { Manager } from "./qmail-send/manager.ts";
import { CommandPipe } from "./qmail-send/partners.ts";
import { Routing } from "./qmail-send/routing.ts";

const logDescriptor = 0;
const spawners = [
  { commands: 1, reports: 2 },
  { commands: 3, reports: 4 },
] as const;
const cleaner = { requests: 5, answers: 6 };

/** Longest wait in milliseconds: a timer of the runtime counts them in 31 bits. */
const longestWait = 86_400_000;

const seconds = (): number => Math.floor(Date.now() / 1000);

/** Text on its way to a descriptor, written when there is nothing better to do. */
class Outbox {
  readonly #fd: number;
  readonly #broken: () => void;
  #text = "";

  constructor(fd: number, broken: () => void) {
    this.#fd = fd;
    this.#broken = broken;
  }

  add(text: string): void {
    this.#text += text;
  }

  flush(): void {
    if (this.#text === "") return;
    const bytes = Buffer.from(this.#text, "latin1");
    this.#text = "";
    try {
      writeAll(this.#fd, bytes);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#broken();
    }
  }
}

/** The log. If nobody reads it any more, mail goes on. */
const log = new Outbox(logDescriptor, () => {});

function cannotStart(why: string): Exit {
  log.add(`alert: cannot start: ${why}\n`);
  log.flush();
  return new Exit(111);
}

function enter(directory: string, name: string): void {
  try {
    process.chdir(directory);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw cannotStart(`unable to switch to ${name} directory`);
  }
}

function controls(): Controls {
  try {
    return readControls();
  } catch (failure) {
    if (!(failure instanceof ControlTrouble)) throw failure;
    throw cannotStart("unable to read controls");
  }
}

/** Only one qmail-send works on a queue. The lock lasts as long as the process. */
function takeQueue(): void {
  let fd: number;
  try {
    fd = openSync("lock/sendmutex", constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw cannotStart("unable to open mutex");
  }
  if (!tryLockExclusive(fd)) throw cannotStart("qmail-send is already running");
}

/** A spawner's first byte: how many deliveries it can have under way. */
function spawnLimit(fd: number): number {
  const byte = Buffer.alloc(1);
  try {
    // A descriptor that nobody gave us may be one of the runtime's own, which are of no file type.
    const fileType = fstatSync(fd).mode & constants.S_IFMT;
    if (fileType !== 0 && readSome(fd, byte) === 1) return byte[0] ?? 0;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
  throw cannotStart("hath the daemon spawn no fire?");
}

/** The control files' limits, or the spawners' where they are lower. */
function limited(settings: Settings): Settings {
  const [local, remote] = settings.concurrency;
  return {
    ...settings,
    concurrency: [
      Math.min(local, spawnLimit(spawners[0].reports)),
      Math.min(remote, spawnLimit(spawners[1].reports)),
    ],
  };
}

/** A program of the queue that is started as root becomes its own user first. */
function chooseUser(): void {
  const identity = queueIdentity();
  if (identity.kind === "users") become(idsOf("qmails"));
  if (identity.kind === "owner") become(identity.ids);
}

/** Events wake the main loop; a failure in their handling ends it. */
class Bell {
  #rung = false;
  #failure: { cause: unknown } | undefined;
  #resolve: (() => void) | undefined;

  readonly ring = (): void => {
    this.#rung = true;
    this.#resolve?.();
  };

  readonly fail = (cause: unknown): void => {
    this.#failure ??= { cause };
    this.ring();
  };

  /** Waits for a ring since the last wait, at most that long. */
  async wait(milliseconds: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#resolve = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#resolve = undefined;
    this.#rung = false;
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}

/** Feeds what arrives on a descriptor to the manager. */
async function listen(fd: number, receive: (bytes: Uint8Array) => void, lost: () => void): Promise<void> {
  try {
    for await (const bytes of arrivals(fd)) receive(bytes);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
  lost();
}

/** Opens the trigger for reading and writing, so that it never ends. Without it todo is looked at now and then. */
function openTrigger(): number | undefined {
  try {
    return openSync(triggerPath(), constants.O_RDWR | constants.O_NONBLOCK);
  } catch (failure) {
    if (isSystemError(failure)) return undefined;
    throw failure;
  }
}

/** Wires a manager to the real outside. */
function assemble(settings: Settings, routing: Routing, bell: Bell): { manager: Manager; flush: () => void } {
  const lose = (channel: Channel) => (): void => {
    manager.spawnerLost(channel);
    bell.ring();
  };
  const requests = new Outbox(cleaner.requests, () => manager.cleanerLost());
  const pipes = channels.map(
    (channel) => new CommandPipe(spawners[channel].commands, () => queueMicrotask(lose(channel)), bell.ring),
  );
  const manager: Manager = new Manager(
    {
      disk: realDisk,
      log: (text) => log.add(text),
      spawners: [pipes[0] as CommandPipe, pipes[1] as CommandPipe],
      askCleaner: (request) => requests.add(`${request}\0`),
      inject: (notice, done) => {
        queueBounce(notice)
          .then((injection) => done(injection, seconds()))
          .then(bell.ring)
          .catch(bell.fail);
      },
    },
    settings,
    routing,
    seconds(),
  );
  const flush = (): void => {
    log.flush();
    requests.flush();
  };
  return { manager, flush };
}

/** Everything that can happen, and what it means to the manager. */
function listenToAll(manager: Manager, me: string | undefined, initial: Routing, bell: Bell): void {
  let routing = initial;
  const heard = (event: () => void) => (): void => {
    event();
    bell.ring();
  };
  const watch = (fd: number, receive: (bytes: Uint8Array) => void, lost: () => void): void => {
    listen(fd, (bytes) => heard(() => receive(bytes))(), heard(lost)).catch(bell.fail);
  };
  for (const channel of channels) {
    const { reports } = spawners[channel];
    watch(
      reports,
      (bytes) => manager.reported(channel, bytes, seconds()),
      () => manager.spawnerLost(channel),
    );
  }
  watch(
    cleaner.answers,
    (bytes) => manager.cleanerAnswered(bytes, seconds()),
    () => manager.cleanerLost(),
  );
  const trigger = openTrigger();
  if (trigger !== undefined)
    watch(
      trigger,
      () => manager.triggered(),
      () => {},
    );
  process.on(
    "SIGTERM",
    heard(() => manager.stop()),
  );
  process.on(
    "SIGALRM",
    heard(() => manager.retryAll(seconds())),
  );
  process.on(
    "SIGHUP",
    heard(() => {
      routing = reread(me, routing);
      manager.reroute(routing);
    }),
  );
}

function reread(me: string | undefined, routing: Routing): Routing {
  try {
    return rereadRouting(me, routing);
  } catch (failure) {
    if (!(failure instanceof ControlTrouble)) throw failure;
    log.add(`alert: unable to reread ${failure.file}\n`);
    return routing;
  }
}

/** The queue manager; ends after TERM, or when a partner is gone. */
export async function main(): Promise<number> {
  chooseUser();
  enter(qmailHome(), "home");
  const { me, settings, routing: routes } = controls();
  enter("queue", "queue");
  process.umask(0o077);
  takeQueue();
  const bell = new Bell();
  const routing = new Routing(routes);
  const { manager, flush } = assemble(limited(settings), routing, bell);
  listenToAll(manager, me, routing, bell);
  while (!manager.enroll(seconds())) {
    flush();
    await new Promise((resolve) => setTimeout(resolve, helpPause * 1000));
  }
  await run(manager, flush, bell);
  manager.finish();
  flush();
  return 0;
}

async function run(manager: Manager, flush: () => void, bell: Bell): Promise<void> {
  for (;;) {
    const more = manager.work(seconds());
    flush();
    if (manager.finished()) return;
    const milliseconds = more ? 0 : manager.wakeAt() * 1000 - Date.now();
    await bell.wait(Math.min(Math.max(milliseconds, 0), longestWait));
  }
}
