/** The control files of qmail-send(8), read into one value. */
import { controlLine, controlLines, controlNumber } from "../../core/control/control.ts";
import { isSystemError } from "../../core/exit.ts";
import { Routing, type RoutingControls } from "../../core/mail/routing.ts";
import type { Settings } from "./context.ts";

const week = 604800;
const defaultConcurrency = [10, 20] as const;

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
function reading<Result>(name: string, read: (name: string) => Result): Result {
  try {
    return read(name);
  } catch (failure) {
    if (isSystemError(failure)) throw new ControlTrouble(`control/${name}`);
    throw failure;
  }
}

function line(name: string, ...defaults: (string | undefined)[]): string {
  const found = reading(name, controlLine);
  return found === undefined ? (defaults.find((value) => value !== undefined) ?? "") : text(found);
}

function list(name: string): string[] | undefined {
  return reading(name, controlLines)?.map(text);
}

/** The local domains; the host's own name if there is no such file. */
function locals(me: string | undefined): string[] {
  const found = list("locals") ?? (me === undefined ? undefined : [me]);
  if (found === undefined) throw new ControlTrouble("control/locals");
  return found;
}

/** What was read at the start. `me` is not read again. */
export interface Controls {
  me: string | undefined;
  settings: Omit<Settings, "slotWidth">;
  routing: RoutingControls;
}

/** Reads all of them; throws ControlTrouble. */
export function readControls(): Controls {
  const found = reading("me", controlLine);
  const me = found && text(found);
  const number = (name: string, otherwise: number): number => reading(name, controlNumber) ?? otherwise;
  const doubleHost = line("doublebouncehost", me, "doublebouncehost");
  return {
    me,
    settings: {
      lifetime: number("queuelifetime", week),
      concurrency: [
        number("concurrencylocal", defaultConcurrency[0]),
        number("concurrencyremote", defaultConcurrency[1]),
      ],
      bounces: {
        from: line("bouncefrom", "MAILER-DAEMON"),
        host: line("bouncehost", me, "bouncehost"),
        postmaster: `${line("doublebounceto", "postmaster")}@${doubleHost}`,
      },
    },
    routing: {
      envNoAtHost: line("envnoathost", me, "envnoathost"),
      locals: locals(me),
      percentHack: list("percenthack") ?? [],
      virtualDomains: list("virtualdomains") ?? [],
    },
  };
}

/** HUP: reads locals and virtualdomains again; throws ControlTrouble. */
export function rereadRouting(me: string | undefined, routing: Routing): Routing {
  const virtualDomains = (): string[] => list("virtualdomains") ?? [];
  return new Routing({ ...routing.controls, locals: locals(me), virtualDomains: virtualDomains() });
}
