/** tcp-env(1): finds out about the connection on descriptor 0, puts it into the environment, and runs a program. */
import { formatIp } from "../core/bytes/ip.ts";
import { Options } from "../core/bytes/options.ts";
import { leadingNumber } from "../core/bytes/text.ts";
import { isSystemError, temporary } from "../core/exit.ts";
import { hostName, upToNul } from "../core/net/host-name.ts";
import { remoteUser } from "../core/net/ident.ts";
import { Resolver } from "../core/net/resolver.ts";
import { type Endpoint, localEndpoint, remoteEndpoint } from "../core/sys/endpoints.ts";
import { type Changes, execLikeShell } from "../core/sys/exec.ts";
import { Socket } from "../core/sys/socket.ts";

/** Seconds that each step of asking the client's host may take. */
const standardPatience = 30;

interface CommandLine {
  askHost: boolean;
  patience: number;
  program: Buffer;
  args: Buffer[];
}

export async function main(words: Buffer[]): Promise<number> {
  const { askHost, patience, program, args } = commandLine(words);
  try {
    const known = process.env.PROTO === "TCP";
    const changes = known ? {} : await describe(askHost ? patience : undefined);
    return execLikeShell(program.toString(), args, changes);
  } catch (failure) {
    if (isSystemError(failure)) throw temporary("");
    throw failure;
  }
}

function commandLine(words: Buffer[]): CommandLine {
  const options = new Options(words, { program: "tcp-env", letters: "rRt:", tolerant: true });
  let askHost = true;
  let patience = standardPatience;
  for (const { letter, argument } of options) {
    if (letter === "t") patience = leadingNumber(argument) ?? 0;
    else askHost = letter === "r";
  }
  const [program, ...args] = options.rest;
  if (program === undefined) throw temporary("");
  return { askHost, patience, program, args };
}

/** The variables of tcp-environ(5). `patience` undefined: the client's host is not asked. */
async function describe(patience: number | undefined): Promise<Changes> {
  const local = localEndpoint(0);
  const remote = remoteEndpoint(0);
  const names = new Resolver();
  const [ours, theirs] = [await hostOf(names, local), await hostOf(names, remote)];
  const user = patience === undefined ? undefined : await remoteUser(Socket.connect, local, remote, patience);
  return {
    PROTO: "TCP",
    TCPLOCALPORT: String(local.port),
    TCPLOCALIP: formatIp(local.address),
    TCPLOCALHOST: ours,
    TCPREMOTEPORT: String(remote.port),
    TCPREMOTEIP: formatIp(remote.address),
    TCPREMOTEHOST: theirs,
    TCPREMOTEINFO: user && upToNul(user),
  };
}

/** The name that belongs to an address; undefined without one. */
async function hostOf(names: Resolver, { address }: Endpoint): Promise<Buffer | string | undefined> {
  const name = await hostName(names, address);
  return name === "unknown" ? "softdnserror" : name;
}
