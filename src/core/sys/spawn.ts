/**
 * Starting other programs. Arguments and environment are bytes; descriptors are passed as they are, in any direction.
 */
import { isSystemError } from "../exit.ts";
import { environmentBytes } from "./arguments.ts";
import { becomesItself, tellIds } from "./become.ts";

/** How to start a program. */
export interface Start {
  /** Program and arguments. A name without slash is looked for in PATH. */
  command: readonly (string | Uint8Array)[];
  /** The child's descriptors 0, 1, 2, ...; null is /dev/null. */
  descriptors: readonly (number | null)[];
  /** Argument 0; default: the program as given. */
  name?: string;
  /** The whole environment; default: ours. */
  environment?: Readonly<Record<string, string | Uint8Array | undefined>>;
  directory?: string;
  /** Switch to this user and group; supplementary groups are dropped. */
  ids?: { uid: number; gid: number };
}

/** How a child ended: its exit code, or the name of the signal that killed it. */
export type End = { code: number } | { signal: string };

/** A started child. */
export interface Child {
  pid: number;
  ended: Promise<End>;
  kill: (signal: NodeJS.Signals) => void;
}

/**
 * Starts a program; throws (ENOENT, EACCES, EAGAIN, ...) if it can not be started. The runtime takes the 32 bits of an id
 * as a signed number; the kernel refuses the one that means no id (EINVAL).
 */
export function start(how: Start): Child {
  const byItself = becomesItself(how);
  const { command, environment } = representable(byItself ? tellIds(how) : how);
  const child = Bun.spawn(command, {
    stdio: how.descriptors.map((fd) => fd ?? "ignore") as ["ignore", "ignore", "ignore"],
    env: environment,
    ...(how.name === undefined || command[0] !== how.command[0] ? {} : { argv0: how.name }),
    ...(how.directory === undefined ? {} : { cwd: how.directory }),
    ...(how.ids === undefined || byItself ? {} : { uid: how.ids.uid | 0, gid: how.ids.gid | 0 }),
  });
  return {
    pid: child.pid,
    ended: child.exited.then(() => endOf(child.exitCode, child.signalCode)),
    kill: (signal) => child.kill(signal),
  };
}

/** Like start(), but an executable file in no format the kernel knows is a script for /bin/sh, as execvp(3) has it. */
export function startLikeShell(how: Start): Child {
  try {
    return start(how);
  } catch (failure) {
    if (!isSystemError(failure, "ENOEXEC")) throw failure;
    return start({ ...how, command: ["/bin/sh", ...how.command] });
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | number | null): End {
  return signal === null ? { code: code ?? 111 } : { signal: String(signal) };
}

type Strings = { command: string[]; environment: Record<string, string | undefined> };

/**
 * The runtime hands strings to the kernel as UTF-8. Where an argument or a variable is not UTF-8, sh rebuilds the
 * bytes from octal escapes and executes the program in its place.
 */
export function representable({ command, environment }: Pick<Start, "command" | "environment">): Strings {
  const variables = Object.entries(environment ?? environmentBytes());
  const plain: Record<string, string | undefined> = {};
  const rebuilt: string[] = [];
  for (const [name, value] of variables) {
    if (value === undefined) continue;
    const text = asText(value);
    // A name that sh has no variable for would be words of the script.
    if (text === undefined && !/^[A-Za-z_]\w*$/.test(name)) continue;
    if (text === undefined)
      rebuilt.push(`${name}=${octal(value as Uint8Array)}; ${name}=\${${name}%x}; export ${name}`);
    else plain[name] = text;
  }
  const texts = command.map(asText);
  if (rebuilt.length === 0 && texts.every((text) => text !== undefined))
    return { command: texts as string[], environment: plain };
  const words = command.map((word, index) => {
    const text = texts[index];
    if (text !== undefined) return `set -- "$@" ${quoted(text)}`;
    return `x=${octal(word as Uint8Array)}; set -- "$@" "\${x%x}"`;
  });
  return {
    command: ["/bin/sh", "-c", [...rebuilt, ...words, "unset x", 'exec "$@"'].join("\n")],
    environment: plain,
  };
}

/** Whether the runtime can hand a word over by itself and get it back unchanged. */
export function isText(value: string | Uint8Array): boolean {
  return asText(value)?.includes("\ufffd") === false;
}

/** The bytes as a string if they are valid UTF-8. */
function asText(value: string | Uint8Array): string | undefined {
  if (typeof value === "string") return value;
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString("utf8");
  return text.includes("\ufffd") && !Buffer.from(text).equals(value) ? undefined : text;
}

/** A command substitution that prints the bytes and an x, which keeps line feeds at the end. */
function octal(bytes: Uint8Array): string {
  return `"$(printf '${Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}x')"`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
