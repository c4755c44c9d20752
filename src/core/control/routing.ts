/** The control files by which qmail-send(8) decides where a recipient goes. */
import { isSystemError } from "../exit.ts";
import type { RoutingControls } from "../mail/routing.ts";
import { controlLine, controlLines } from "./control.ts";

const text = (bytes: Buffer): string => bytes.toString("latin1");

/** A control file that cannot be used; its name is `control/...`. */
export class ControlTrouble extends Error {
  readonly file: string;
  constructor(file: string) {
    super(file);
    this.file = file;
  }
}

/** A failure to read becomes ControlTrouble. */
export function reading<Result>(name: string, read: (name: string) => Result): Result {
  try {
    return read(name);
  } catch (failure) {
    if (isSystemError(failure)) throw new ControlTrouble(`control/${name}`);
    throw failure;
  }
}

/** The first line of a control file; where there is none, the first default that is a text. Throws ControlTrouble. */
export function line(name: string, ...defaults: (string | undefined)[]): string {
  const found = reading(name, controlLine);
  return found === undefined ? (defaults.find((value) => value !== undefined) ?? "") : text(found);
}

function list(name: string): string[] | undefined {
  return reading(name, controlLines)?.map(text);
}

/** control/me. Throws ControlTrouble. */
export function hostName(): string | undefined {
  const found = reading("me", controlLine);
  return found && text(found);
}

/** The local domains; the host's own name if there is no such file. Throws ControlTrouble. */
export function localDomains(me: string | undefined): string[] {
  const found = list("locals") ?? (me === undefined ? undefined : [me]);
  if (found === undefined) throw new ControlTrouble("control/locals");
  return found;
}

/** The lines of control/virtualdomains. Throws ControlTrouble. */
export const virtualDomains = (): string[] => list("virtualdomains") ?? [];

/** All that routing depends on, as the files are now. Throws ControlTrouble. */
export function routingControls(me: string | undefined): RoutingControls {
  return {
    envNoAtHost: line("envnoathost", me, "envnoathost"),
    locals: localDomains(me),
    percentHack: list("percenthack") ?? [],
    virtualDomains: virtualDomains(),
  };
}
