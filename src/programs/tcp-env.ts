/** tcp-env(1): finds out about the connection on descriptor 0, puts it into the environment, and runs a program. */
import { formatIp } from "../core/bytes/ip.ts";
import { Options } from "../core/bytes/options.ts";
import { leadingNumber, lowerCase } from "../core/bytes/text.ts";
import { isSystemError, temporary } from "../core/exit.ts";
import { remoteUser } from "../core/net/ident.ts";
import { Resolver, reverseName } from "../core/net/resolver.ts";
import { type Endpoint, localEndpoint, remoteEndpoint } from "../core/sys/endpoints.ts";
import { type Changes, execLikeShell } from "../core/sys/exec.ts";

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
  return {
    PROTO: "TCP",
    TCPLOCALPORT: String(local.port),
    TCPLOCALIP: formatIp(local.address),
    TCPLOCALHOST: await hostOf(names, local),
    TCPREMOTEPORT: String(remote.port),
    TCPREMOTEIP: formatIp(remote.address),
    TCPREMOTEHOST: await hostOf(names, remote),
    TCPREMOTEINFO: patience === undefined ? undefined : upToNul(remoteUser(local, remote, patience)),
  };
}

/** The name that belongs to an address; undefined without one. */
async function hostOf(names: Resolver, { address }: Endpoint): Promise<Buffer | string | undefined> {
  const finding = await names.lookUp(reverseName(address), "PTR");
  if (finding.kind === "unknown") return "softdnserror";
  const [first] = finding.kind === "records" ? finding.records : [];
  return first && upToNul(lowerCase(Buffer.from(first.name, "latin1")));
}

/** A variable ends at its first NUL. */
function upToNul(text: Buffer | undefined): Buffer | undefined {
  const end = text?.indexOf(0) ?? -1;
  return end < 0 ? text : text?.subarray(0, end);
}
