/** The command line of a server that stays: `--listen ADDRESS:PORT` and what goes with it. */
import { parseArgs } from "node:util";
import { parseIp } from "../bytes/ip.ts";
import { permanent } from "../exit.ts";
import type { Endpoint } from "../sys/endpoints.ts";
import type { Inquiries } from "./inquiry.ts";

/** What to listen on, and for whom. */
export interface ListenOptions {
  program: string;
  addresses: Endpoint[];
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

/** Whether a command line begins with options, and `--listen` is among them: the server is to stay. */
export function isResident(args: readonly Buffer[]): boolean {
  return optionsOf(args).some((word) => /^--listen(=|$)/.test(word.toString("latin1")));
}

/** The options that a command line begins with. Each has a value, in the same word or in the next. */
export function optionsOf(args: readonly Buffer[]): Buffer[] {
  let end = 0;
  while (args[end]?.toString("latin1").startsWith("--") === true)
    end += args[end]?.includes("=") === true ? 1 : 2;
  return args.slice(0, end);
}

/** Reads them; what is wrong is a permanent error. */
export function listenOptions(program: string, args: readonly Buffer[]): ListenOptions {
  const complain = (what: string) => permanent(`${program}: fatal: ${what}\n`);
  const { values } = attempt(complain, () =>
    parseArgs({
      args: args.map((word) => word.toString()),
      options: {
        listen: { type: "string", multiple: true },
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
  const count = (name: "connections" | "per-client" | "backlog", standard: number): number => {
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
  return {
    program,
    addresses: (values.listen ?? []).map((text) => {
      const place = placeOf(text);
      if (place === undefined) throw complain(`--listen takes ADDRESS:PORT or [ADDRESS]:PORT, not ${text}`);
      return place;
    }),
    connections,
    perClient: count("per-client", connections),
    backlog: count("backlog", 128),
    user: values.user,
    rules: values.rules,
    inquiries: { reverseDns: seconds("reverse-dns"), ident: seconds("ident") },
    greetDelay: seconds("greet-delay") ?? 0,
  };
}

/** `127.0.0.1:25` or `[::1]:25`. */
export function placeOf(text: string): Endpoint | undefined {
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
