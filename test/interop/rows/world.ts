/**
 * The machine that the rows of a group see, in namespaces of their own: this project as the mail system, installed in
 * /var/qmail for everybody, with joe and ann as its users, and nothing that could disturb the real machine.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { host, Group as ProcessGroup } from "../../helpers/home.ts";
import { installLauncher } from "../../helpers/launcher.ts";
import { bind, mountEmpty, privateSystem } from "../../helpers/namespace.ts";
import { patience } from "../../helpers/patience.ts";
import { nofiles, userNumbers } from "../../helpers/users.ts";
import { type Outcome, run, until } from "../../scenarios/home.ts";
import { ann, install, joe, makePeople } from "../../scenarios/system-wide.ts";
import { Server } from "../tools.ts";
import { placeOf, type Unpacked } from "../unpack.ts";

export const qmail = "/var/qmail";
export const searchPath = `${qmail}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`;

/** The password of joe and ann. */
export const password = "very secret";

/** sendmail as it comes with the unpacked package; /usr/sbin/sendmail is ours. */
export const theirSendmail = "/usr/lib/theirs/sendmail";

export type Person = "joe" | "ann";
const numbers: Readonly<Record<Person, number>> = { joe, ann };

/** How a person runs something. */
export interface As {
  stdin?: string | Uint8Array;
  environment?: Record<string, string>;
}

/** Users of Debian's packages that are only unpacked. */
const accounts: readonly (readonly [name: string, number: number])[] = [
  ["postfix", 1050],
  ["postdrop", 1051],
  ["Debian-exim", 1052],
  ["opensmtpd", 1053],
  ["opensmtpq", 1054],
  ["nullmail", 1055],
];

function overlay(work: string, directory: string, below: readonly string[]): void {
  const [upper, other] = ["upper", "work"].map((part) => join(work, "overlay", directory, part));
  for (const path of [upper, other]) mkdirSync(path ?? "", { recursive: true });
  const options = `lowerdir=${[...below, directory].join(":")},upperdir=${upper},workdir=${other}`;
  const result = Bun.spawnSync(["mount", "-t", "overlay", "-o", options, "overlay", directory]);
  if (result.exitCode !== 0) throw new Error(`overlay on ${directory}: ${result.stderr.toString()}`);
}

export class World {
  readonly work: string;
  /** Whether the rows that take their time may take a minute. */
  readonly long: boolean;
  readonly #log: string;
  #daemons: ProcessGroup | undefined;
  readonly #servers: Server[] = [];

  /** To be called inside the namespaces; `work` is an empty directory. */
  constructor(work: string, unpacked?: Unpacked, long = false) {
    this.work = work;
    this.long = long;
    mountEmpty(work);
    const place = unpacked === undefined ? undefined : placeOf(unpacked);
    for (const directory of ["/usr", "/etc"]) {
      const below = place === undefined ? [] : [place + directory].filter((path) => existsSync(path));
      overlay(work, directory, below);
    }
    mountEmpty("/run");
    mountEmpty("/var");
    const others = accounts.map(([name, number]) => `${name}:x:${number}:${number}::/nonexistent:/bin/false`);
    privateSystem(work, [...makePeople(work), ...others]);
    if (place !== undefined && existsSync(`${place}/var`))
      cpSync(`${place}/var`, "/var", { recursive: true });
    for (const directory of ["mail", "tmp", "lib", "log", "spool", "cache"])
      mkdirSync(`/var/${directory}`, { recursive: true });
    symlinkSync("/run", "/var/run");
    for (const directory of ["/var/tmp", "/var/mail"]) chmodSync(directory, 0o1777);
    this.#names();
    this.#passwords();
    install();
    installLauncher(qmail, work);
    // Where Debian's own qmail, dot-forward and fastforward look for it.
    symlinkSync(qmail, "/var/lib/qmail");
    if (existsSync("/usr/sbin/sendmail")) {
      mkdirSync(join(theirSendmail, ".."));
      const real = realpathSync("/usr/sbin/sendmail");
      if (real === "/usr/sbin/sendmail") renameSync(real, theirSendmail);
      else symlinkSync(real, theirSendmail);
    }
    for (const name of ["/usr/sbin/sendmail", "/usr/lib/sendmail"]) {
      rmSync(name, { force: true });
      symlinkSync(`${qmail}/bin/sendmail`, name);
    }
    this.#log = join(work, "log");
    writeFileSync(this.#log, "");
    chownSync(this.#log, userNumbers.qmaill ?? 0, nofiles);
  }

  #names(): void {
    writeFileSync("/proc/sys/kernel/hostname", host);
    const neighbours = ["127.0.0.1 mail.example.org", "127.0.0.2 neighbour.example"];
    writeFileSync("/etc/hosts", ["127.0.0.1 localhost", `127.0.0.1 ${host}`, ...neighbours, ""].join("\n"));
    writeFileSync("/etc/mailname", `${host}\n`);
  }

  #passwords(): void {
    const hashed = Bun.spawnSync(["openssl", "passwd", "-6", password]);
    if (hashed.exitCode !== 0) throw new Error(`openssl: ${hashed.stderr.toString()}`);
    const lines = Object.keys(numbers).map(
      (name) => `${name}:${hashed.stdout.toString().trim()}:19000::::::`,
    );
    writeFileSync(this.at("shadow"), `${lines.join("\n")}\n`, { mode: 0o600 });
    bind(this.at("shadow"), "/etc/shadow");
  }

  at(...parts: string[]): string {
    return join(this.work, ...parts);
  }

  /** What qmail-send has logged. */
  get log(): string {
    return readFileSync(this.#log, "latin1");
  }

  control(name: string, text: string): void {
    writeFileSync(`${qmail}/control/${name}`, text);
  }

  /** Starts qmail-start, as an rc file would. */
  start(): void {
    const logger = ["/bin/sh", "-c", `exec cat >>${this.#log}`];
    const command = [`${qmail}/bin/qmail-start`, "./Maildir/", ...logger];
    this.#daemons = new ProcessGroup(command, { PATH: searchPath }, "ignore");
  }

  /** A signal to qmail-send. */
  signal(name: NodeJS.Signals): void {
    this.#daemons?.signal(name);
  }

  /** Ends the mail system and the servers. */
  async stop(): Promise<void> {
    for (const server of this.#servers.splice(0)) await server.stop();
    this.#daemons?.signal("SIGTERM");
    await this.#daemons?.ended();
    this.#daemons = undefined;
  }

  /** A server that stop() ends; it is returned as soon as it answers on the port. */
  async serve(command: string[], port: number, host = "127.0.0.1"): Promise<Server> {
    const server = new Server(command, { PATH: searchPath });
    this.#servers.push(server);
    return await server.answers(port, host);
  }

  /** A program that stop() ends. */
  background(command: string[]): Server {
    const server = new Server(command, { PATH: searchPath });
    this.#servers.push(server);
    return server;
  }

  /** qmail-smtpd, for everybody; clients on this machine may relay. */
  async smtpd(address = "127.0.0.1", port = 25, variables = ""): Promise<Server> {
    const rules = this.at(`rules-${address}-${port}`);
    const compiled = await run([`${qmail}/bin/tcprules`, rules, `${rules}.tmp`], {
      stdin: `127.0.0.1:allow,RELAYCLIENT=""${variables}\n:allow\n`,
    });
    assert.equal(compiled.code, 0, compiled.stderr);
    const options = ["--rules", rules, "--user", "qmaild"];
    return this.serve(
      [`${qmail}/bin/qmail-smtpd`, "--listen", `${address}:${port}`, ...options],
      port,
      address,
    );
  }

  /** Runs a command as a person, or as root, in the person's home. */
  as(who: Person | "root", command: string[], { stdin = "", environment = {} }: As = {}): Promise<Outcome> {
    const home = who === "root" ? "/root" : this.at(who);
    return run(command, {
      stdin,
      environment: { PATH: searchPath, HOME: home, USER: who, LOGNAME: who, LANG: "C.UTF-8", ...environment },
      directory: who === "root" ? this.work : home,
      ...(who === "root" ? {} : { as: { uid: numbers[who], gid: numbers[who] } }),
    });
  }

  /** The same; throws if it fails. Returns what it wrote to descriptor 1. */
  async must(who: Person | "root", command: string[], how: As = {}): Promise<string> {
    const { code, stdout, stderr } = await this.as(who, command, how);
    assert.equal(code, 0, `${command.join(" ")}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Writes a file that belongs to a person, in the person's home. */
  write(who: Person, name: string, text: string | Uint8Array, mode = 0o644): string {
    const path = this.at(who, name);
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    chownSync(path, numbers[who], numbers[who]);
    return path;
  }

  /** Makes a directory that belongs to a person. */
  directory(who: Person, name: string): string {
    const path = this.at(who, name);
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, numbers[who], numbers[who]);
    return path;
  }

  /** Makes a Maildir that belongs to a person. */
  makeMaildir(who: Person, name: string): string {
    const path = this.directory(who, name);
    for (const part of ["tmp", "new", "cur"]) this.directory(who, `${name}/${part}`);
    return path;
  }

  /** Paths of the messages in a Maildir of a person. */
  maildir(who: Person, name = "Maildir"): string[] {
    return ["new", "cur"].flatMap((part) => {
      const directory = this.at(who, name, part);
      return existsSync(directory) ? readdirSync(directory).map((file) => join(directory, file)) : [];
    });
  }

  /** Whether there is nothing in the queue. */
  get idle(): boolean {
    return this.#queued().length === 0;
  }

  #queued(): string[] {
    return readdirSync(`${qmail}/queue`, { recursive: true })
      .map(String)
      .filter((name) => /^(mess|intd|todo|info|local|remote|bounce)\/(\d+\/)?\d+$/.test(name))
      .filter((name) => !statSync(`${qmail}/queue/${name}`, { throwIfNoEntry: false })?.isDirectory());
  }

  /** Gives a message to sendmail, from joe. */
  async send(text: string, ...recipients: string[]): Promise<void> {
    await this.must("joe", ["/usr/sbin/sendmail", ...recipients], { stdin: Buffer.from(text, "latin1") });
  }

  /** Waits until the queue is empty and takes away what a person has got: exactly that many messages. */
  async receive(who: Person, count = 1, name = "Maildir"): Promise<string[]> {
    await this.settled(() => this.maildir(who, name).length >= count);
    const paths = this.maildir(who, name);
    const mail = paths.map((path) => readFileSync(path, "latin1"));
    for (const path of paths) {
      if (name === "Maildir") assert.equal(statSync(path).uid, numbers[who]);
      rmSync(path);
    }
    const words = `${who} has got ${mail.length} messages and not ${count}`;
    assert.equal(
      mail.length,
      count,
      `${words}:\n${mail.join("----\n").slice(0, 3000)}\n${this.log.slice(-2000)}`,
    );
    return mail;
  }

  /** The same, for one message. */
  async one(who: Person, name = "Maildir"): Promise<string> {
    const [message = ""] = await this.receive(who, 1, name);
    return message;
  }

  /** Waits until the queue is empty, and something else is so. */
  async settled(also: () => boolean = () => true): Promise<void> {
    try {
      await until("the deliveries", () => also() && this.idle);
    } catch (failure) {
      throw new Error(`${failure}\nqueue: ${this.#queued()}\nlog:\n${this.log.slice(-2000)}`);
    }
  }

  /** Takes away what a row has left: instructions, what is in the queue because of them, mail. */
  async clean(): Promise<void> {
    const people = ["joe", "ann"] as const;
    for (const who of people)
      for (const name of readdirSync(this.at(who))) if (name.startsWith(".qmail")) rmSync(this.at(who, name));
    for (const end = Date.now() + patience * 1000; !this.idle && Date.now() < end; await Bun.sleep(100))
      this.signal("SIGALRM");
    for (const who of people) for (const path of this.maildir(who)) rmSync(path);
  }

  /** Speaks SMTP, without waiting for replies; they are returned. */
  async smtp(commands: string, host = "127.0.0.1", port = 25): Promise<string> {
    const socket = connect({ port, host });
    let replies = "";
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      replies += text;
    });
    socket.write(Buffer.from(commands.replaceAll("\n", "\r\n"), "latin1"));
    await once(socket, "close");
    return replies;
  }
}

/** The commands of a whole session with one message. */
export const session = (from: string, to: string, text: string): string =>
  `EHLO client.example\nMAIL FROM:<${from}>\nRCPT TO:<${to}>\nDATA\n${text.replace(/^\./gm, "..")}.\nQUIT\n`;

/** Waits until the clock shows another second: what qmail-pop3d lists is older than the current one. */
export async function nextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  while (Math.floor(Date.now() / 1000) === second) await Bun.sleep(10);
}

/** Asserts that a message has these lines or words, as bytes. */
export function has(message: string, ...needles: (string | RegExp)[]): void {
  for (const needle of needles) {
    const found = typeof needle === "string" ? message.includes(needle) : needle.test(message);
    assert.ok(found, `there is no ${needle} in\n${message.slice(0, 2000)}`);
  }
}
