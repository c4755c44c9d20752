/** A server that stays: listens, asks the rules, counts, runs a session for each client, and ends in an orderly way. */
import { formatIp, parseIp } from "../bytes/ip.ts";
import { leadingNumber } from "../bytes/text.ts";
import { keepControls } from "../control/control.ts";
import { RulesFile } from "../control/rules-file.ts";
import { isSystemError, permanent, temporary } from "../exit.ts";
import { type ClientSocket, inheritedSocket, type Listening, listenOn, listenWith } from "../sys/accept.ts";
import { environment } from "../sys/arguments.ts";
import type { Variables } from "../sys/connection.ts";
import type { Endpoint } from "../sys/endpoints.ts";
import { errorText } from "../sys/errors.ts";
import { takeIds } from "../sys/ids.ts";
import { openFileLimit } from "../sys/limits.ts";
import { accountByName } from "../sys/passwd.ts";
import { PeerGone } from "../sys/peer.ts";
import { Crew, obey } from "./crew.ts";
import type { ListenOptions } from "./listen-options.ts";
import { say, showPlace, take } from "./listen-words.ts";
import { NetworkClient } from "./network-client.ts";

/** What the server does. */
export interface Service {
  /** One session, to its end. `changed` are the variables that are this connection's own. */
  serve: (
    client: NetworkClient,
    variable: Variables,
    changed: Readonly<Record<string, Buffer>>,
  ) => Promise<void>;
  /** What a client hears whom the limits keep out. */
  refusal: Buffer;
  /** What a client hears that speaks before it was greeted; absent where clients speak first. */
  impatience?: Buffer;
}

/** The longest wait before a greeting, in seconds. */
const longestDelay = 999;

/** How long sessions may go on after SIGTERM, in milliseconds. */
const drainLimit = 30_000;

/** How long, after connections were cut, whatever worked for them may take to notice, in milliseconds. */
const cutLimit = 5000;

/** Listens until SIGTERM; returns the exit code. A second SIGTERM ends it at once. */
export async function listen(options: ListenOptions, service: Service): Promise<number> {
  if (options.greetDelay > 0 && service.impatience === undefined)
    throw permanent(`${options.program}: fatal: --greet-delay is for SMTP, where the server speaks first\n`);
  const server = options.processes > 1 ? new Crew(options) : new Listener(options, service);
  const { promise, resolve } = Promise.withResolvers<void>();
  let signals = 0;
  // Only the second signal, whatever else there is to end for: all processes of a unit get one each.
  process.on("SIGTERM", () => (++signals === 1 ? resolve() : server.cut()));
  if (options.share !== undefined) void obey(options.share.line, { drain: resolve, cut: () => server.cut() });
  try {
    server.open();
    becomeUser(options);
    keepControls();
    server.admit();
    await promise;
    await server.drain();
    return 0;
  } finally {
    process.removeAllListeners("SIGTERM");
  }
}

class Listener {
  readonly #options: ListenOptions;
  readonly #service: Service;
  readonly #servers: Listening[] = [];
  readonly #clients = new Set<NetworkClient>();
  /** How many connections an address has. */
  readonly #perClient = new Map<string, number>();
  readonly #sessions = new Set<Promise<void>>();
  /** Resolves when what still goes on after a cut is left to itself. */
  readonly #late = Promise.withResolvers<void>();
  readonly #rules: RulesFile | undefined;
  readonly #asks: boolean;
  #admitting = false;

  constructor(options: ListenOptions, service: Service) {
    const { rules, inquiries } = options;
    this.#rules = rules === undefined ? undefined : new RulesFile(rules);
    this.#asks = inquiries.reverseDns !== undefined || inquiries.ident !== undefined;
    this.#options = { ...options, connections: Math.min(options.connections, room()) };
    this.#service = service;
  }

  /** Takes all addresses, or fails. */
  open(): void {
    const { program, places, backlog } = this.#options;
    for (const place of places) {
      const connected = (socket: ClientSocket) => this.#connected(socket, local);
      const server = take(program, place, () =>
        "descriptor" in place
          ? listenWith(inheritedSocket(place.descriptor), backlog, connected)
          : listenOn(place, backlog, connected),
      );
      const local = fixedEnd(server.endpoint);
      this.#servers.push(server);
    }
  }

  /** From now on clients are served. */
  admit(): void {
    this.#admitting = true;
    const { program, share } = this.#options;
    if (share !== undefined) return; // It was said for all of them.
    for (const { endpoint } of this.#servers) say(program, `status: listening on ${showPlace(endpoint)}`);
  }

  /** No new clients; what is under way may end. */
  async drain(): Promise<void> {
    this.#admitting = false;
    for (const server of this.#servers) server.stop();
    for (const client of this.#clients) client.drain();
    const timer = setTimeout(() => this.cut(), drainLimit);
    await Promise.race([Promise.allSettled(this.#sessions), this.#late.promise]);
    clearTimeout(timer);
  }

  cut(): void {
    for (const client of this.#clients) client.cut();
    setTimeout(() => this.#late.resolve(), cutLimit);
  }

  #connected(socket: ClientSocket, local: LocalEnd | undefined): NetworkClient | undefined {
    const ip = plainIp(socket.remoteAddress);
    if (!this.#admitting || ip === undefined) {
      socket.close();
      return undefined;
    }
    const client = new NetworkClient(socket);
    this.#serve(client, { socket, ip, local: local ?? localEnd(socket.localAddress, socket.localPort) });
    return client;
  }

  #serve(client: NetworkClient, ends: Ends): void {
    const { ip } = ends;
    const session = this.#session(client, ends)
      .catch((failure: unknown) => {
        if (failure instanceof PeerGone) return;
        const what = failure instanceof Error ? failure.stack : failure;
        say(this.#options.program, `warning: session with ${ip} failed: ${what}`);
      })
      .finally(async () => {
        await client.close();
        this.#leave(client, ip);
        this.#sessions.delete(session);
      });
    this.#sessions.add(session);
  }

  async #session(client: NetworkClient, { socket, ip, local }: Ends): Promise<void> {
    if (this.#isFull(ip)) {
      client.setPatience(1);
      await client.write(this.#service.refusal);
      await client.flush();
      client.cut(); // Whoever is kept out holds no descriptor while they take their leave.
      return;
    }
    this.#enter(client, ip);
    const asked = this.#asks ? await this.#inquire(socket) : {};
    // What cannot be read lets nobody in.
    const rule = this.#rules?.ruleFor({
      ip,
      host: asked.TCPREMOTEHOST?.toString("latin1"),
      info: asked.TCPREMOTEINFO?.toString("latin1"),
    });
    if (rule?.denied) return;
    const changed: Record<string, Buffer> = {
      PROTO: protocol,
      TCPREMOTEIP: Buffer.from(ip),
      TCPREMOTEPORT: Buffer.from(String(socket.remotePort ?? "")),
      TCPLOCALIP: local.ip,
      TCPLOCALPORT: local.port,
      ...asked,
    };
    for (const [name, value] of rule?.variables ?? []) changed[name] = value;
    const variable: Variables = (name) => changed[name] ?? inherited(name);
    if (await this.#isImpatient(client, variable)) return;
    await this.#service.serve(client, variable, changed);
  }

  /** What others say about the client. */
  async #inquire({
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
  }: ClientSocket): Promise<Record<string, Buffer>> {
    const { inquiries } = this.#options;
    const { inquire } = await import("./inquiry.ts");
    const local = endpoint(localAddress, localPort);
    const remote = endpoint(remoteAddress, remotePort);
    return local === undefined || remote === undefined ? {} : await inquire(local, remote, inquiries);
  }

  /** Whether a client spoke before it was greeted: it does not listen, and will not hear that its mail is refused. */
  async #isImpatient(client: NetworkClient, variable: Variables): Promise<boolean> {
    const { impatience } = this.#service;
    const wanted = leadingNumber(variable("GREETDELAY") ?? Buffer.of()) ?? this.#options.greetDelay;
    const delay = Math.min(wanted, longestDelay);
    if (impatience === undefined || delay === 0 || variable("RELAYCLIENT") !== undefined) return false;
    if (await client.isSilent(delay)) return false;
    await client.write(impatience);
    await client.flush();
    return true;
  }

  #isFull(ip: string): boolean {
    const { connections, perClient } = this.#options;
    return this.#clients.size >= connections || (this.#perClient.get(ip) ?? 0) >= perClient;
  }

  #enter(client: NetworkClient, ip: string): void {
    this.#clients.add(client);
    this.#perClient.set(ip, (this.#perClient.get(ip) ?? 0) + 1);
  }

  /** Also called for clients that never entered. */
  #leave(client: NetworkClient, ip: string): void {
    if (!this.#clients.delete(client)) return;
    const left = (this.#perClient.get(ip) ?? 1) - 1;
    if (left > 0) this.#perClient.set(ip, left);
    else this.#perClient.delete(ip);
  }
}

/** The runtime's own descriptors, and those of a few messages on their way to queue programs. */
const reserved = 40;

/**
 * For how many clients there are descriptors, half of them left for files and queue programs: without a descriptor the
 * runtime cannot take a client in to send it away, and asks for it again and again.
 */
function room(): number {
  return Math.max(1, Math.floor((openFileLimit() - reserved) / 2));
}

const protocol = Buffer.from("TCP");

/** What the process was started with; a server that stays looks the same few names up for every client. */
const started = new Map<string, Buffer | undefined>([
  // Nothing that would be about another client.
  ["TCPREMOTEHOST", undefined],
  ["TCPREMOTEINFO", undefined],
]);

const inherited: Variables = (name) => {
  if (!started.has(name)) started.set(name, environment(name));
  return started.get(name);
};

/** Our end of a connection, as the environment tells it. */
interface LocalEnd {
  ip: Buffer;
  port: Buffer;
}

/** A connection, and who is at its ends. */
interface Ends {
  socket: ClientSocket;
  ip: string;
  local: LocalEnd;
}

const localEnd = (address: string | undefined, port: number | undefined): LocalEnd => ({
  ip: Buffer.from(plainIp(address) ?? ""),
  port: Buffer.from(String(port ?? "")),
});

/** What is listened on is our end of every connection, unless it stands for all our addresses. */
function fixedEnd({ address, port }: Endpoint): LocalEnd | undefined {
  return address.every((byte) => byte === 0) ? undefined : localEnd(formatIp(address), port);
}

/** An IPv4 client on an IPv6 socket is shown as what it is. */
const plainIp = (address: string | undefined): string | undefined =>
  address?.replace(/^::ffff:(?=[\d.]+$)/i, "");

function endpoint(address: string | undefined, port: number | undefined): Endpoint | undefined {
  const parsed = parseIp(plainIp(address) ?? "");
  return parsed === undefined || port === undefined ? undefined : { address: parsed, port };
}

/** Gives up what root may do. */
function becomeUser({ program, user }: ListenOptions): void {
  if (user === undefined) return;
  const account = accountByName(user);
  if (account === undefined) throw permanent(`${program}: fatal: there is no user ${user}\n`);
  try {
    takeIds(account.uid, account.gid);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: unable to become ${user}: ${errorText(failure.code)}\n`);
  }
}
