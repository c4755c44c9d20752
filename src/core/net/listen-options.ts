/** The command line of a server that stays: `--listen ADDRESS:PORT` and what goes with it. */
import { parseArgs } from "node:util";
import { parseIp } from "../bytes/ip.ts";
import { permanent } from "../exit.ts";
import type { Endpoint } from "../sys/endpoints.ts";
import type { Inquiries } from "./inquiry.ts";

/** Where to listen: an address, or a socket that has one, which we were started with. */
export type Place = Endpoint | { descriptor: number };

/** Which of the processes that serve together this is, counted from 0. */
export interface Share {
  number: number;
  of: number;
  /** Where it hears from the one that started it. */
  line: number;
}

/** What to listen on, and for whom. */
export interface ListenOptions {
  program: string;
  /** The whole command line. */
  words: readonly Buffer[];
  places: Place[];
  /** How many processes serve; absent: this one. */
  processes: number;
  /** Set in each of several. The numbers below are its own, then. */
  share: Share | undefined;
  /** The most connections at once: in all, and of one client address. */
  connections: number;
  perClient: number;
  backlog: number;
  /** Become this user as soon as the addresses are ours. */
  user: string | undefined;
  /** A cdb of tcprules. */
  rules: string | undefined;
  /** What to ask about a client, and for how long. */
  inquiries: Inquiries;
  /** Seconds that a client has to be silent before it is greeted. */
  greetDelay: number;
}

/**
 * Whether a command line begins with options, and `--listen` is among them: the server is to stay. So it is with
 * `--processes`, which makes no sense without.
 */
export function isResident(args: readonly Buffer[]): boolean {
  return optionsOf(args).some((word) => /^--(listen|processes)(=|$)/.test(word.toString("latin1")));
}

/** The options that a command line begins with. Each has a value, in the same word or in the next. */
export function optionsOf(args: readonly Buffer[]): Buffer[] {
  let end = 0;
  while (args[end]?.toString("latin1").startsWith("--") === true)
    end += args[end]?.includes("=") === true ? 1 : 2;
  return args.slice(0, end);
}

/** Reads them; what is wrong is a permanent error. `rest` is what follows them on the command line. */
export function listenOptions(
  program: string,
  args: readonly Buffer[],
  rest: readonly Buffer[] = [],
): ListenOptions {
  const complain = (what: string) => permanent(`${program}: fatal: ${what}\n`);
  const { values } = attempt(complain, () =>
    parseArgs({
      args: args.map((word) => word.toString()),
      options: {
        listen: { type: "string", multiple: true },
        processes: { type: "string" },
        share: { type: "string" },
        connections: { type: "string" },
        "per-client": { type: "string" },
        backlog: { type: "string" },
        user: { type: "string" },
        rules: { type: "string" },
        "reverse-dns": { type: "string" },
        ident: { type: "string" },
        "greet-delay": { type: "string" },
      },
    }),
  );
  const count = (name: "processes" | "connections" | "per-client" | "backlog", standard: number): number => {
    const text = values[name] ?? String(standard);
    if (!/^[1-9]\d{0,5}$/.test(text)) throw complain(`--${name} takes a number from 1 on, not ${text}`);
    return Number(text);
  };
  const seconds = (name: "reverse-dns" | "ident" | "greet-delay"): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (!/^[1-9]\d{0,2}$/.test(text)) throw complain(`--${name} takes 1 to 999 seconds, not ${text}`);
    return Number(text);
  };
  const connections = count("connections", 200);
  const perClient = count("per-client", connections);
  const processes = count("processes", 1);
  if (processes > connections)
    throw complain(
      `--processes ${processes} are more than the clients at once, --connections ${connections}`,
    );
  const places = (values.listen ?? []).map((text) => {
    const place = placeOf(text);
    if (place === undefined)
      throw complain(`--listen takes ADDRESS:PORT, [ADDRESS]:PORT or fd:NUMBER, not ${text}`);
    return place;
  });
  if (places.length === 0) throw complain("--processes is for a server that stays: say where, with --listen");
  const options = {
    program,
    words: [...args, ...rest],
    places,
    processes,
    share: undefined,
    connections,
    perClient,
    backlog: count("backlog", 128),
    user: values.user,
    rules: values.rules,
    inquiries: { reverseDns: seconds("reverse-dns"), ident: seconds("ident") },
    greetDelay: seconds("greet-delay") ?? 0,
  };
  if (values.share === undefined) return options;
  const number = Number(values.share);
  if (!/^\d{1,6}$/.test(values.share) || processes === 1 || number >= processes)
    throw complain(
      `--share takes a number below that of --processes, which is for several, not ${values.share}`,
    );
  return shareOf(options, number);
}

/** The first descriptor that one of several processes gets from the one that started it. */
export const firstDescriptor = 3;

/** What one of several processes is to do: the part of the clients that is its own, on sockets that it gets. */
function shareOf(options: ListenOptions, number: number): ListenOptions {
  const { places, processes, connections, perClient } = options;
  return {
    ...options,
    places: places.map((_, index) => ({ descriptor: firstDescriptor + index })),
    processes: 1,
    share: { number, of: processes, line: firstDescriptor + places.length },
    // All together are what was said; of one client there may be a few more.
    connections: Math.floor(connections / processes) + (number < connections % processes ? 1 : 0),
    perClient: Math.ceil(perClient / processes),
    user: undefined,
  };
}

/** `127.0.0.1:25`, `[::1]:25` or `fd:3`. */
function placeOf(text: string): Place | undefined {
  const descriptor = /^fd:(\d{1,6})$/.exec(text)?.[1];
  if (descriptor !== undefined)
    return Number(descriptor) < firstDescriptor ? undefined : { descriptor: Number(descriptor) };
  const [, ipv6, ipv4, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseIp(ipv6 ?? ipv4 ?? "");
  const port = Number(digits);
  if (address === undefined || port > 65535) return undefined;
  return address.length === (ipv6 === undefined ? 4 : 16) ? { address, port } : undefined;
}

function attempt<Result>(complain: (what: string) => Error, work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    throw complain(failure instanceof Error ? failure.message : String(failure));
  }
}
