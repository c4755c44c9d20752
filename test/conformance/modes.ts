/** Ways to give a server its session: which way the bytes come, and how they are cut. */
import type { Case } from "./format.ts";

/** `direct`: descriptors 0 and 1; `tcpserver`: under Debian's; `listen`: the program's own --listen. */
export const vias = ["direct", "tcpserver", "listen"] as const;
export type Via = (typeof vias)[number];

export const cuts = ["whole", "bytes"] as const;
export type Cut = (typeof cuts)[number];

/** The programs that speak to clients on descriptors 0 and 1. */
const servers = ["qmail-smtpd", "qmail-qmtpd", "qmail-qmqpd", "qmail-popup", "qmail-pop3d"];

export const isServer = ({ program }: Case): boolean => servers.includes(program);

/** The servers that can listen: they know what is wrong with this. */
export function listeners(programs: string): ReadonlySet<string> {
  const listens = (program: string) => {
    const words = program === "qmail-popup" ? ["host", "subprogram"] : [];
    const command = [`${programs}/${program}`, "--listen=nowhere", ...words];
    const { stderr } = Bun.spawnSync(command, { stdin: "ignore" });
    return stderr.toString().includes("--listen takes");
  };
  return new Set(servers.filter(listens));
}

/** Why a case can not be had this way; undefined: it can. */
export function inexpressible(test: Case, via: Via, listening: ReadonlySet<string>): string | undefined {
  if (via === "direct") return undefined;
  if (via === "listen" && !listening.has(test.program)) return "a program that does not listen";
  if (test.close_fds !== undefined || test.fd_inputs !== undefined)
    return "descriptors other than a connection";
  if (!["pipe", "hold"].includes(test.stdin_kind ?? "pipe")) return "input that is no connection";
  if (test.argv0 !== undefined || test.umask !== undefined) return "another name or umask";
  if (unsettable(test, via)) return "a variable missing that every connection has";
  return via === "listen" ? unlistenable(test) : undefined;
}

/** Arguments that say something else where a program listens. */
function unlistenable({ program, argv = [] }: Case): string | undefined {
  if (program === "qmail-popup") return argv.length < 2 ? "a command line without a subprogram" : undefined;
  return argv.length > 0 ? "arguments" : undefined;
}

/** The local address counts only where there is no local name; tcpserver always has a name. */
function unsettable({ env, program }: Case, via: Via): boolean {
  if (program === "qmail-popup" || program === "qmail-pop3d") return false;
  if (env.TCPREMOTEIP === undefined) return true;
  if (env.TCPLOCALHOST !== undefined) return false;
  return via === "tcpserver" || env.TCPLOCALIP === undefined;
}
