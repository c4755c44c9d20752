/** The parts of a mail system, each a process with production code in it. */
import { constants } from "node:fs";
import { addressed, local, numberIn, type OrderPlan, type Plan } from "./plan.ts";
import type { Truth } from "./truth.ts";
import { home, type Process, queue, type World } from "./world.ts";

const { O_WRONLY, O_NONBLOCK, O_RDONLY } = constants;
const settings = {
  lifetime: 400,
  concurrency: [10, 20] as const,
  slotWidth: 1 as const,
  bounces: { from: "MAILER-DAEMON", host: local, postmaster: `postmaster@${local}` },
};

/** Whether it is a failed system call, or what production code makes of one. */
export const isFailure = (thrown: unknown): boolean =>
  thrown instanceof Error && ("code" in thrown || "step" in thrown);

type Manager = InstanceType<Process["program"]["Manager"]>;

/** qmail-send, with the qmail-clean that it asks, and the spawners. Started again whenever it ends. */
export class System {
  readonly #world: World;
  readonly #deliveries: Deliveries;
  #send: Process | undefined;
  #manager: Manager | undefined;
  #cleaner: Cleaner | undefined;
  #turn = 0;
  /** How often it was started. */
  starts = 0;
  log = "";

  constructor(world: World) {
    this.#world = world;
    this.#deliveries = new Deliveries(world);
    world.onTrigger = () => {
      const manager = this.#manager;
      if (manager === undefined || this.#send === undefined) return false;
      world.after(0.2, this.#send, () => {
        manager.triggered();
        this.#ring();
      });
      return true;
    };
  }

  start(delay: number): void {
    const send = this.#world.process("qmail-send");
    send.onDeath = () => this.#ended(500);
    this.#send = send;
    this.#world.after(delay, send, () => this.#tryToBegin(send));
  }

  /** Where it can not start, it says so and is started again. */
  #tryToBegin(send: Process): void {
    try {
      this.#begin(send);
    } catch (thrown) {
      if (!isFailure(thrown)) throw thrown;
      this.#world.kill(send);
    }
  }

  /** As svc -t would. */
  stop(): void {
    const manager = this.#manager;
    if (manager === undefined || this.#send === undefined) return;
    this.#world.after(0, this.#send, () => {
      manager.stop();
      this.#ring();
    });
  }

  /** Ends it at once, and begins anew: for the sweeps of a start. */
  restart(): void {
    if (this.#send !== undefined) this.#world.exit(this.#send);
    this.#ended(0);
  }

  #ended(delay: number): void {
    this.#manager = undefined;
    this.#cleaner?.end();
    this.#cleaner = undefined;
    this.start(delay);
  }

  #begin(send: Process): void {
    const world = this.#world;
    const { fs } = send.calls;
    const lock = fs.openSync("lock/sendmutex", O_WRONLY | O_NONBLOCK);
    if (!send.program.lockForSending(lock)) {
      fs.closeSync(lock);
      world.after(1000, send, () => this.#tryToBegin(send));
      return;
    }
    this.starts++;
    this.#cleaner = new Cleaner(
      world,
      (text) => {
        if (!send.dead)
          this.#hear(send, (manager) => manager.cleanerAnswered(Buffer.from(text), world.seconds));
      },
      () => {
        if (!send.dead) this.#hear(send, (manager) => manager.cleanerLost());
      },
    );
    const routing = new send.program.Routing({
      locals: [local],
      percentHack: [],
      virtualDomains: [],
      envNoAtHost: local,
    });
    const cleaner = this.#cleaner;
    const spawner = (channel: 0 | 1) => ({
      ready: () => true,
      send: (command: string) =>
        this.#deliveries.take(Buffer.from(command, "latin1"), channel, send, (report) => {
          if (!send.dead) this.#hear(send, (manager) => manager.reported(channel, report, world.seconds));
        }),
    });
    const manager: Manager = new send.program.Manager(
      {
        disk: send.program.realDisk,
        log: (text) => {
          this.log += text;
          world.setting.trace?.(`      log: ${text.trimEnd()}`);
        },
        spawners: [spawner(0), spawner(1)],
        askCleaner: (request) => cleaner.ask(request),
        uptime: () => world.seconds,
        inject: (notice, done) =>
          world.follow(
            send,
            send.program.queueBounce(notice).then((injection) => done(injection, world.seconds)),
            () => this.#ring(),
            (thrown) => this.#fellOver(send, thrown),
          ),
      },
      settings,
      routing,
      world.seconds,
    );
    const enroll = (): void =>
      this.#guard(send, () => {
        if (!manager.enroll(world.seconds)) {
          world.after(10_000, send, enroll);
          return;
        }
        this.#manager = manager;
        this.#ring();
      });
    enroll();
  }

  /** Something happened that the manager is told of. */
  #hear(send: Process, tell: (manager: Manager) => void): void {
    this.#world.after(0.1, send, () => {
      const manager = this.#manager;
      if (manager === undefined) return;
      this.#guard(send, () => tell(manager));
      this.#ring();
    });
  }

  #ring(): void {
    this.#wait(0, false);
  }

  #wait(milliseconds: number, timer: boolean): void {
    const [send, manager, turn] = [this.#send, this.#manager, ++this.#turn];
    if (send === undefined || manager === undefined) return;
    this.#world.after(
      milliseconds,
      send,
      () => {
        if (turn === this.#turn) this.#work(send, manager);
      },
      { timer },
    );
  }

  #work(send: Process, manager: Manager): void {
    const world = this.#world;
    this.#guard(send, () => {
      const more = manager.work(world.seconds);
      if (manager.finished()) {
        manager.finish();
        world.exit(send);
        this.#ended(world.setting.scenario.away);
        return;
      }
      const milliseconds = more ? 0 : Math.max(manager.wakeAt() * 1000 - world.now, 0);
      this.#wait(Math.min(milliseconds, 86_400_000), milliseconds > 0);
    });
  }

  /** What qmail-send does not handle ends it, and it is started again. */
  #guard(send: Process, act: () => void): void {
    try {
      act();
    } catch (thrown) {
      if (!isFailure(thrown)) throw thrown;
      this.#fellOver(send, thrown);
    }
  }

  #fellOver(send: Process, thrown: unknown): void {
    if (this.#world.truth.excuses === 0) this.#world.problem("qmail-send fell over:", thrown);
    this.#world.fallen++;
    this.#world.kill(send);
  }
}

/** qmail-clean: one request after the other, answers in the same order. */
class Cleaner {
  readonly #world: World;
  readonly #process: Process;
  readonly #answer: (text: string) => void;
  #requests: string[] = [];
  #cleaning: InstanceType<Process["program"]["Cleaning"]> | undefined;
  #busy = false;

  constructor(world: World, answer: (text: string) => void, lost: () => void) {
    this.#world = world;
    this.#answer = answer;
    this.#process = world.process("qmail-clean");
    this.#process.onDeath = lost;
    world.after(world.random.of([0, 0, 5]), this.#process, () => {
      this.#process.program.sweepEnvelopes();
      this.#begin();
    });
  }

  ask(request: string): void {
    this.#requests.push(request);
    this.#next();
  }

  end(): void {
    this.#world.exit(this.#process);
  }

  #begin(): InstanceType<Process["program"]["Cleaning"]> {
    const { Cleaning, queuePath } = this.#process.program;
    this.#cleaning ??= new Cleaning(queuePath);
    return this.#cleaning;
  }

  #next(): void {
    if (this.#busy || this.#requests.length === 0) return;
    this.#busy = true;
    this.#world.after(this.#world.random.of([0.1, 0.1, 10]), this.#process, () => {
      this.#answer(this.#begin().answer(this.#requests.shift() ?? ""));
      this.#busy = false;
      this.#next();
    });
  }
}

interface Order {
  channel: 0 | 1;
  path: string;
  sender: string;
  recipient: string;
  report: (text: string) => void;
}

/** Both spawners, and who delivers for them. */
export class Deliveries {
  readonly #world: World;
  #worker: Process | undefined;
  /** Recipients that are being tried, for the qmail-send that asked. */
  readonly #under = new WeakMap<object, Set<string>>();
  readonly #groups = new WeakMap<Process, InstanceType<Process["program"]["Together"]>>();
  #batch: { order: Order; box: string }[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** A command; the report, with its slot and NUL, comes later. */
  take(command: Buffer, channel: 0 | 1, send: Process, answer: (report: Buffer) => void): void {
    const [path = "", sender = "", recipient = ""] = command.toString("latin1", 1).split("\0");
    const under = this.#under.get(send) ?? new Set();
    this.#under.set(send, under);
    const who = `${path} ${recipient}`;
    if (under.has(who)) this.#world.problem(`${who} is tried by two at a time`);
    under.add(who);
    const report = (text: string): void => {
      under.delete(who);
      answer(Buffer.concat([command.subarray(0, 1), Buffer.from(`${text}\0`, "latin1")]));
    };
    this.#begin({ channel, path, sender, recipient, report });
  }

  #begin(order: Order): void {
    const { truth, random } = this.#world;
    const { recipient, report } = order;
    const attempt = truth.attempts.get(recipient) ?? 0;
    truth.attempts.set(recipient, attempt + 1);
    const { what = "fail", number = 0, box = "" } = addressed(recipient) ?? {};
    // Who got it, or failed, may be tried once more after a crash, whatever was ordered for those that were left.
    const again = truth.excuses > 0 && attempt > 0 && this.#outcome(what, attempt - 1) !== "Z";
    if (what !== "s" && !again && truth.held.has(number))
      this.#world.problem(`${recipient} is tried though it is held`);
    if (what !== "s" && !again && truth.over.has(number))
      this.#world.problem(`${recipient} is tried though it was removed`);
    const outcome = this.#outcome(what, attempt);
    if (outcome !== "K") {
      const process = this.#world.process("spawner");
      this.#world.after(random.of([0.5, 30]), process, () => {
        report(`${outcome}because\n`);
        this.#world.exit(process);
      });
    } else if (box.startsWith("r"))
      this.#alone("qmail-remote", order, (process, fd) => this.#toRemote(process, fd, order));
    else if (box.startsWith("b"))
      this.#alone("qmail-local, mbox", order, (process, fd) => {
        process.program.appendToMbox(`/mail/${box}/mbox`, Buffer.from(`From x\n${headerOf(order)}`), fd);
      });
    else if (random.chance(0.4))
      this.#alone("qmail-local", order, (process, fd) => {
        process.program.deliverToMaildir(`/mail/${box}`, headerOf(order), fd);
      });
    else this.#together(order, box);
  }

  #outcome(what: string, attempt: number): "K" | "Z" | "D" {
    if (what === "fail") return "D";
    if (what === "never") return "Z";
    return what.startsWith("later") && attempt < Number(what.slice(5)) ? "Z" : "K";
  }

  /** A process for one delivery. */
  #alone(name: string, order: Order, act: (process: Process, fd: number) => void): void {
    const process = this.#world.process(name);
    process.onDeath = () => order.report("Zcrashed\n");
    this.#world.after(this.#world.random.of([0.5, 1, 20]), process, () => {
      try {
        const fd = process.calls.fs.openSync(`${queue}/mess/${order.path}`, O_RDONLY);
        act(process, fd);
        order.report("Kok\n");
      } catch (thrown) {
        if (!isFailure(thrown)) throw thrown;
        order.report("Zfailed\n");
      }
      this.#world.exit(process);
    });
  }

  /** The other host has it as soon as it has read all. */
  #toRemote(process: Process, fd: number, { sender, recipient }: Order): void {
    const pieces: Buffer[] = [];
    for (;;) {
      const piece = Buffer.alloc(1024);
      const length = process.calls.fs.readSync(fd, piece);
      pieces.push(piece.subarray(0, length));
      if (length === 0) break;
    }
    this.#world.truth.remote.push({ sender, recipient, content: Buffer.concat(pieces) });
  }

  /** The warm worker takes all that wait. */
  #together(order: Order, box: string): void {
    this.#batch.push({ order, box });
    if (this.#batch.length > 1) return;
    this.#worker ??= this.#world.process("qmail-local, warm");
    const worker = this.#worker;
    this.#world.after(this.#world.random.of([0.5, 20]), worker, () => this.#deliverBatch(worker), {
      nests: false,
    });
    worker.onDeath = () => {
      this.#worker = undefined;
      for (const { order: lost } of this.#batch.splice(0)) lost.report("Zcrashed\n");
    };
  }

  #deliverBatch(worker: Process): void {
    const { MaildirDelivery, Together } = worker.program;
    const { fs } = worker.calls;
    const batch = this.#batch.splice(0);
    worker.onDeath = () => {
      this.#worker = undefined;
      for (const { order } of [...under, ...this.#batch.splice(0)]) order.report("Zcrashed\n");
    };
    const under = new Set(batch);
    const begun: { item: (typeof batch)[number]; delivery: InstanceType<typeof MaildirDelivery> }[] = [];
    for (const item of batch) {
      try {
        const fd = fs.openSync(`${queue}/mess/${item.order.path}`, O_RDONLY);
        try {
          const delivery = new MaildirDelivery(`/mail/${item.box}`, headerOf(item.order), fd);
          begun.push({ item, delivery });
        } finally {
          if (!worker.dead) fs.closeSync(fd);
        }
      } catch (thrown) {
        if (!isFailure(thrown)) throw thrown;
        under.delete(item);
        item.order.report("Zfailed\n");
      }
    }
    // As a warm qmail-local, or as a qmail-lspawn that does it by itself.
    const { waiting, meanwhile } = worker.program;
    const together = this.#groups.get(worker) ?? new Together(this.#world.random.of([waiting, meanwhile]));
    this.#groups.set(worker, together);
    for (const { item, delivery } of begun)
      this.#world.follow(
        worker,
        together.finish(delivery),
        (answer) => {
          under.delete(item);
          item.order.report(answer.kind === "exit" && answer.code === 0 ? "Kok\n" : "Zfailed\n");
        },
        (thrown) => this.#world.problem("the warm qmail-local fell over:", thrown),
      );
  }
}

const headerOf = ({ sender, recipient }: Order): Buffer =>
  Buffer.from(`Return-Path: <${sender}>\nDelivered-To: ${recipient}\n`, "latin1");

type Group = InstanceType<Process["program"]["GroupCommit"]>;

/** Who submits. */
export class Submitters {
  readonly #world: World;
  #process: Process | undefined;
  #group: Group | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  submit(plan: Plan, delay: number): void {
    const one = plan.way === "one-shot";
    const process = one ? this.#world.process("qmail-queue") : this.#server();
    this.#world.after(
      delay,
      process,
      () => (one ? this.#alone(process, plan) : this.#together(process, plan)),
      { nests: one },
    );
  }

  #intake(process: Process, { sender, recipients, text }: Plan) {
    const { program } = process;
    const half = Math.floor(text.length / 2);
    return {
      started: this.#world.seconds,
      uid: 1000,
      deadline: this.#world.now + 3_600_000,
      message: [text.subarray(0, half), text.subarray(half)],
      envelope: [
        program.envelopeOf(
          Buffer.from(sender),
          recipients.map((recipient) => Buffer.from(recipient)),
        ),
      ],
    };
  }

  #alone(process: Process, plan: Plan): void {
    this.#world.truth.begun.add(plan.number);
    try {
      process.program.enterQueue();
      process.program.takeIn(this.#intake(process, plan));
      this.#world.truth.acknowledged.add(plan.number);
    } catch (thrown) {
      if (!(thrown instanceof process.program.Exit)) throw thrown;
    }
    this.#world.exit(process);
  }

  #server(): Process {
    if (this.#process === undefined || this.#process.dead) {
      this.#process = this.#world.process("qmail-queue, resident");
      this.#group = undefined;
    }
    return this.#process;
  }

  /** As `qmail-queue --resident` begins. */
  #groupOf(process: Process): Group | undefined {
    const places = ["pid", "intd", "todo", "mess/0", "mess/1", "mess/2"].map((each) => `${queue}/${each}`);
    try {
      this.#group ??= new process.program.GroupCommit(
        new process.program.Flusher([queue, ...places]),
        // Here no flush is late: time passes between calls.
        { now: () => this.#world.now, after: () => () => {} },
      );
    } catch (thrown) {
      if (!isFailure(thrown)) throw thrown;
    }
    return this.#group;
  }

  #together(process: Process, plan: Plan): void {
    const { truth } = this.#world;
    const group = this.#groupOf(process);
    if (group === undefined) return;
    truth.begun.add(plan.number);
    this.#world.follow(
      process,
      process.program.takeInWith(group, this.#intake(process, plan)),
      () => {
        truth.acknowledged.add(plan.number);
        this.#world.after(0.1, process, () => process.program.pullTrigger());
      },
      (thrown) => {
        if (!(thrown instanceof process.program.Exit)) this.#world.problem("qmail-queue fell over:", thrown);
      },
    );
  }
}

/** An operator gives an order to every message of which that is true. */
export function giveOrder(
  world: World,
  { verb, among }: Pick<OrderPlan, "verb" | "among">,
  delay: number,
): void {
  const process = world.process("qmail queue");
  world.after(
    delay,
    process,
    () => {
      const { program } = process;
      const run = async (): Promise<void> => {
        const chosen = [...program.queuedMessages(program.realDisk)].filter(({ recipients }) =>
          recipients.some(({ address }) => among(addressed(address)?.number ?? 0)),
        );
        const numbers = chosen.flatMap(({ recipients }) =>
          recipients.map(({ address }) => addressed(address)?.number ?? 0),
        );
        // Whoever removes a bounce removes what it tells, though it is to the postmaster.
        const texts = chosen.map(({ id }) => world.disk.find(`${queue}/mess/${id % 3n}/${id}`)?.data);
        const told = texts.map((text) => numberIn(`${text?.toString("latin1")}`));
        if (verb === "remove") for (const number of [...numbers, ...told]) world.truth.removed.add(number);
        for (const number of numbers) if (verb === "release") world.truth.held.delete(number);
        for (const number of numbers) if (verb === "hold") world.truth.released.delete(number);
        const order = 1 + Math.max(0, ...world.truth.asked.values());
        for (const number of numbers) world.truth.asked.set(number, order);
        if (chosen.length === 0) return;
        const targets = chosen.map(({ id, identity }) => ({ id, identity }));
        const outcomes = await program.giveOrder({ verb, text: "ordered\n", targets });
        for (const { id, recipients } of chosen)
          for (const { address } of recipients)
            if (outcomes.get(id) === "done") learn(world.truth, verb, address, order);
      };
      world.follow(
        process,
        run(),
        () => world.exit(process),
        (thrown) => {
          if (!(thrown instanceof program.Exit) && !isFailure(thrown))
            world.problem("qmail queue fell over:", thrown);
          world.exit(process);
        },
      );
    },
    { nests: false },
  );
}

/**
 * What an operator was told is so from now on, unless somebody has asked for something else meanwhile. A bounce says
 * nothing of the message that it is about.
 */
function learn(truth: Truth, verb: OrderPlan["verb"], address: string, order: number): void {
  const { what, number = 0 } = addressed(address) ?? {};
  if (what === "s") return;
  if ((verb === "hold" || verb === "release") && truth.asked.get(number) !== order) return;
  if (verb === "hold") truth.held.add(number);
  if (verb === "release") truth.released.add(number);
  if (verb === "remove" || verb === "bounce") truth.over.add(number);
}

/** `qmail queue repair`, before qmail-send is started. */
export function repair(world: World): void {
  const process = world.process("qmail queue repair");
  world.after(0, process, () => {
    const { program, calls } = process;
    const mender = { mends: true, finding: (_words: string, mend?: () => void) => mend?.() };
    try {
      const inventory = program.mendNames(3, mender);
      program.mendStates(inventory, () => ({ uid: 1000, gid: 1000 }), mender);
      program.mendPid(world.seconds, mender);
      calls.libc.syncFileSystem(calls.fs.openSync(".", O_RDONLY));
    } catch (thrown) {
      if (!isFailure(thrown)) throw thrown;
    }
    world.exit(process);
  });
}

export const directories = [
  ...["pid", "intd", "todo", "bounce", "hold", "ask", "lock"].map((name) => `${queue}/${name}`),
  ...["mess", "info", "local", "remote"].flatMap((name) =>
    [0, 1, 2].map((folder) => `${queue}/${name}/${folder}`),
  ),
  ...["m0", "m1", "m9"].flatMap((box) => ["tmp", "new", "cur"].map((folder) => `/mail/${box}/${folder}`)),
  "/mail/b0",
  `${home}/control`,
];
