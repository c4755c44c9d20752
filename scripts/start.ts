/**
 * `npm start`: a private home with the mail system running in it, in the foreground, and a first message to see that
 * it works. `npm start -- [--once] [--home DIR] [--host FQDN]`.
 * Exit codes: 0 stopped as asked; 1 the first message did not arrive; 100 wrong arguments; 111 it could not be started.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { sendingCommand } from "../src/core/cli/options.ts";
import { paint } from "../src/core/cli/paint.ts";
import { tryLockExclusive } from "../src/core/sys/lock.ts";

const root = resolve(import.meta.dir, "..");
const programs = resolve(process.env.QMAIL_TS_BIN ?? join(root, "dist/bin"));
/** How long the first message may take, in milliseconds; the tests shorten it. */
const patience = Number(process.env.QMAIL_TS_PATIENCE ?? 10_000);
const usage = "usage: npm start -- [--once] [--home DIR] [--host FQDN]";
const colours = paint(process.stdout);
const say = (line: string) => console.log(line);

/** Ends with a message for people. */
function give(up: string, code = 111): never {
  console.error(`${paint(process.stderr).bad("npm start:")} ${up}`);
  process.exit(code);
}

interface Options {
  once: boolean;
  home: string;
  host: string | undefined;
}

function options(): Options {
  try {
    const { values } = parseArgs({
      options: { once: { type: "boolean" }, home: { type: "string" }, host: { type: "string" } },
    });
    // npm runs us in the clone; a relative path is meant from where the person stands.
    const here = process.env.INIT_CWD ?? process.cwd();
    const home = resolve(here, values.home ?? (process.env.QMAILHOME || join(root, "home")));
    return { once: values.once ?? false, home, host: values.host };
  } catch (failure) {
    return give(`${failure instanceof Error ? failure.message : failure}\n${usage}`, 100);
  }
}

/** Runs a program; what it writes to descriptor 1 is returned. */
function run(home: string, words: string[], input = ""): string {
  const done = Bun.spawnSync(words, {
    stdio: [Buffer.from(input), "pipe", "inherit"],
    env: { ...process.env, QMAILHOME: home },
  });
  if (done.exitCode !== 0) give(`${words[0]} ended with exit code ${done.exitCode}`);
  return done.stdout.toString();
}

/** Whether a qmail-send works in that home. */
function isRunning(home: string): boolean {
  const mutex = join(home, "queue/lock/sendmutex");
  if (!existsSync(mutex)) return false;
  const fd = openSync(mutex, "r+");
  const free = tryLockExclusive(fd);
  closeSync(fd);
  return !free;
}

/** What the lines of qmail-log(5) mean, the first match counting. */
const meanings: readonly (readonly [RegExp, keyof typeof colours])[] = [
  [/^delivery \d+: success/, "good"],
  [/^delivery \d+: deferral/, "waiting"],
  [/^(delivery \d+: failure|alert|warning|bounce|double bounce|triple bounce)/, "bad"],
  [/^(status|end msg|new msg|exiting|running|local|number of)/, "quiet"],
];

function readable(line: string): string {
  const [, meaning] = meanings.find(([pattern]) => pattern.test(line)) ?? [];
  const time = new Date().toTimeString().slice(0, 8);
  return `${colours.quiet(time)} ${meaning === undefined ? line : colours[meaning](line)}`;
}

async function follow(stream: ReadableStream<Uint8Array>, seen: (line: string) => void): Promise<void> {
  let rest = "";
  const text = new TextDecoder();
  for await (const bytes of stream) {
    const lines = (rest + text.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(seen);
  }
  if (rest !== "") seen(rest);
}

/** The mail system as a child, in a session of its own: Ctrl-C is for us, and we end it in an orderly way. */
class MailSystem {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly ended: Promise<number>;
  readonly up: Promise<boolean>;
  #stopping = false;

  constructor(home: string) {
    this.#child = Bun.spawn([join(home, "rc")], { stdio: ["ignore", "pipe", "pipe"], detached: true });
    const { promise, resolve: started } = Promise.withResolvers<boolean>();
    const show = (line: string) => {
      say(readable(line));
      if (line.startsWith("status: ")) started(true);
    };
    const output = [follow(this.#child.stdout, show), follow(this.#child.stderr, show)];
    this.ended = Promise.all([this.#child.exited, ...output]).then(([code]) => code);
    this.up = promise;
    void this.#child.exited.then(() => started(false));
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** The first time: no new deliveries, those under way may end. The second time: at once; accepted mail is safe. */
  stop(): void {
    if (!this.#stopping) this.#child.kill("SIGTERM");
    else if (this.#child.exitCode === null) process.kill(-this.#child.pid, "SIGKILL");
    this.#stopping = true;
  }
}

const loopback = "127.0.0.1";

/** What listens on loopback: a program, its port, and what follows its options. */
const services = {
  SMTP: { program: "qmail-smtpd", port: 2525, words: [] },
  QMTP: { program: "qmail-qmtpd", port: 2209, words: [] },
  QMQP: { program: "qmail-qmqpd", port: 2628, words: [] },
  POP3: { program: "qmail-popup", port: 2110, words: ["checkpassword", "qmail-pop3d", "Maildir"] },
} as const;
type Service = keyof typeof services;
const names = Object.keys(services) as Service[];

/** A server on loopback, whose clients may send anywhere; without it, mail still goes the other ways. */
class Server {
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly up: Promise<boolean>;

  constructor(home: string, rules: string, service: Service) {
    const { program, port, words } = services[service];
    const options = ["--listen", `${loopback}:${port}`, "--rules", rules];
    const more = words.length === 0 ? [] : [hostOf(home), ...words];
    this.#child = Bun.spawn([join(home, "bin", program), ...options, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
      env: { QMAILHOME: home, PATH: `${home}/bin:/usr/local/bin:/usr/bin:/bin` },
    });
    const { promise, resolve: started } = Promise.withResolvers<boolean>();
    const show = (line: string) => {
      say(readable(line));
      if (line.includes("status: listening on")) started(true);
    };
    void follow(this.#child.stderr, show).then(() => started(false));
    this.up = promise;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
  }
}

/** Whom the servers let in: this machine, for everything. */
function loopbackRules(home: string): string {
  // Not in control/, whose files qmail-showctl explains one by one.
  const rules = join(home, "loopback.cdb");
  if (!existsSync(rules))
    run(home, [join(programs, "tcprules"), rules, `${rules}.tmp`], '127.:allow,RELAYCLIENT=""\n:deny\n');
  return rules;
}

const hostOf = (home: string): string => readFileSync(join(home, "control/me"), "utf8").trim();

/** The owner's password for POP3, made up if there is none yet; undefined: only the owner knows it. */
function newPassword(home: string, owner: string): string | undefined {
  const path = join(home, "users/poppasswd");
  const taken = existsSync(path) && readFileSync(path, "utf8").includes(`${owner.toLowerCase()}:`);
  if (taken) return undefined;
  const password = randomBytes(9).toString("base64url");
  run(home, [join(programs, "qmail"), "user", "passwd", "--home", home, owner], `${password}\n`);
  return password;
}

const files = (maildir: string): string[] =>
  ["new", "cur"].flatMap((part) => readdirSync(join(maildir, part)).map((name) => join(maildir, part, name)));

/** Sends the first message; the path where it arrived, or undefined when patience is over. */
async function sendFirst(home: string, owner: string, maildir: string): Promise<string | undefined> {
  const before = new Set(files(maildir));
  const host = hostOf(home);
  const id = `<${Date.now()}.${process.pid}.first@${host}>`;
  const message = `From: qmail-ts <postmaster@${host}>
To: ${owner}@${host}
Subject: Your mail system works
Message-ID: ${id}

This message went from qmail-inject through the queue into your Maildir.
`;
  run(home, [join(home, "bin/qmail-inject"), "-fpostmaster", owner], message);
  for (const end = Date.now() + patience; Date.now() < end; await Bun.sleep(20)) {
    const arrived = files(maildir).find((path) => !before.has(path) && contains(path, id));
    if (arrived !== undefined) return arrived;
  }
  return undefined;
}

/** Whether a message has the text; a mail reader may have moved it a moment ago. */
function contains(path: string, text: string): boolean {
  return existsSync(path) && readFileSync(path, "latin1").includes(text);
}

/** What a person would type, some time after the server's greeting. */
const typed = (lines: readonly string[], port: number): string =>
  `(sleep 1; printf '${lines.map((line) => `${line}\\n`).join("")}'; sleep 1) | telnet ${loopback} ${port}`;

function explain(home: string, owner: string, listening: ReadonlySet<Service>, password?: string): void {
  const address = `${owner}@${hostOf(home)}`;
  const { SMTP, POP3 } = services;
  say("");
  say(`The mail system runs in ${colours.strong(home)}. Send the next message from another shell:`);
  say(`  ${colours.strong(sendingCommand(home, owner))}`);
  if (listening.has("SMTP")) {
    const begin = [`HELO ${hostOf(home)}`, `MAIL FROM:<${address}>`, `RCPT TO:<${address}>`, "DATA"];
    const message = ["Subject: by hand", "", "Hello.", ".", "QUIT"];
    say(`It takes mail by SMTP on ${loopback}:${SMTP.port}, from this machine only:`);
    say(`  ${colours.strong(`swaks --server ${loopback}:${SMTP.port} --from ${address} --to ${address}`)}`);
    say(`  ${colours.strong(typed([...begin, ...message], SMTP.port))}`);
  }
  if (listening.has("POP3")) {
    const secret = password ?? "PASSWORD";
    say(
      `It is read by POP3 on ${loopback}:${POP3.port}${password === undefined ? ", with your password" : ""}:`,
    );
    const session = [`USER ${owner}`, `PASS ${secret}`, "LIST", "RETR 1", "QUIT"];
    say(`  ${colours.strong(typed(session, POP3.port))}`);
    if (password !== undefined)
      say(colours.quiet(`bin/qmail user passwd ${owner}, with QMAILHOME set, changes the password.`));
  }
  const quiet = (["QMTP", "QMQP"] as const).filter((name) => listening.has(name));
  for (const name of quiet) say(`It takes mail by ${name} on ${loopback}:${services[name].port}.`);
  for (const name of names.filter((service) => !listening.has(service))) {
    const place = `${loopback}:${services[name].port}`;
    say(`There is no ${name} on ${place}: it is taken, or may not be used. Everything else works.`);
  }
  say(colours.quiet("Ctrl-C stops it; mail that waits stays in the queue."));
  say("");
}

async function main({ once, home, host }: Options): Promise<number> {
  const qmail = join(programs, "qmail");
  if (isRunning(home))
    return give(`qmail-send already runs in ${home}; stop it first, or choose another home with --home DIR`);
  const made = run(home, [qmail, "init", "--home", home, ...(host === undefined ? [] : ["--host", host])]);
  const [first = "", ...others] = made.trimEnd().split("\n");
  if (!first.startsWith("put back")) say(first);
  else say(`put back what was missing in ${home}: ${others.length + 1} files and directories`);
  const [owner = "", maildir = ""] = run(home, [qmail, "user", "list", "--home", home]).split(/[\t\n]/);

  const system = new MailSystem(home);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      say(colours.quiet(system.stopping ? "stopping at once" : "stopping: deliveries under way may end"));
      system.stop();
    });
  // Whoever read our output is gone, as in `npm start | head`: the system is not left behind.
  process.stdout.on("error", () => system.stopping || system.stop());
  if (!(await system.up)) return give(`the mail system did not start (exit code ${await system.ended})`);

  const path = await sendFirst(home, owner, maildir);
  if (path === undefined) {
    console.error(
      colours.bad(`the first message did not arrive in ${patience / 1000} seconds; it is in the queue`),
    );
  } else say(`${colours.good("delivered")} ${path}`);
  const servers = new Map<Service, Server>();
  if (once) system.stop();
  else if (!system.stopping) {
    const rules = loopbackRules(home);
    for (const name of names) servers.set(name, new Server(home, rules, name));
    const listening = new Set<Service>();
    for (const [name, server] of servers) if (await server.up) listening.add(name);
    if (!system.stopping) explain(home, owner, listening, newPassword(home, owner));
  }
  const code = await system.ended;
  await Promise.all([...servers.values()].map((server) => server.stop()));
  if (!system.stopping) return give(`qmail-send ended by itself, with exit code ${code}`);
  return path === undefined ? 1 : code;
}

process.exit(await main(options()));
