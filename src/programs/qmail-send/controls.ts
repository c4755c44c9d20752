/** The control files of qmail-send(8), read into one value. */
import { controlNumber } from "../../core/control/control.ts";
import {
  hostName,
  line,
  localDomains,
  reading,
  routingControls,
  virtualDomains,
} from "../../core/control/routing.ts";
import { Routing, type RoutingControls } from "../../core/mail/routing.ts";
import type { Settings } from "./context.ts";

const week = 604800;
const defaultConcurrency = [10, 20] as const;

/** What was read at the start. `me` is not read again. */
export interface Controls {
  me: string | undefined;
  settings: Omit<Settings, "slotWidth">;
  routing: RoutingControls;
}

/** Reads all of them; throws ControlTrouble. */
export function readControls(): Controls {
  const me = hostName();
  const number = (file: string, otherwise: number): number => reading(file, controlNumber) ?? otherwise;
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
    routing: routingControls(me),
  };
}

/** HUP: reads locals and virtualdomains again; throws ControlTrouble. */
export function rereadRouting(me: string | undefined, routing: Routing): Routing {
  return new Routing({ ...routing.controls, locals: localDomains(me), virtualDomains: virtualDomains() });
}
