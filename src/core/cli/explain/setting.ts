/** What the explanations of one run depend on, read once; and what is worth a warning about it. */
import { statSync } from "node:fs";
import { bytes } from "../../bytes/text.ts";
import { controlLine } from "../../control/control.ts";
import { ControlTrouble, hostName, routingControls } from "../../control/routing.ts";
import { rightsHere } from "../../delivery/assignment.ts";
import { isSystemError } from "../../exit.ts";
import { Routing } from "../../mail/routing.ts";
import { Resolver } from "../../net/resolver.ts";
import { inHome, qmailHome } from "../../sys/home.ts";
import { readIfThere } from "../place.ts";
import { processesOf } from "../status/processes.ts";
import { fail, refuse } from "../trouble.ts";
import type { Setting } from "./explain.ts";

/** Where the default delivery comes from. */
export interface DefaultDelivery {
  text: string;
  source: string;
}

/** What was asked for in the place of what the home has. */
export interface Wishes {
  sender?: string | undefined;
  defaultDelivery?: string | undefined;
}

/** The setting of the home $QMAILHOME. */
export function readSetting(wishes: Wishes): {
  setting: Setting;
  given: DefaultDelivery;
  warnings: string[];
} {
  try {
    const me = hostName();
    const routing = new Routing(routingControls(me));
    const rights = rightsHere();
    const given = defaultDelivery(wishes.defaultDelivery);
    return {
      given,
      warnings: outdated(),
      setting: {
        routing,
        rights,
        names: new Resolver(),
        sender: bytes(wishes.sender ?? `anonymous@${me ?? "localhost"}`),
        defaultDelivery: bytes(given.text),
      },
    };
  } catch (failure) {
    if (failure instanceof ControlTrouble) throw fail(`unable to read ${qmailHome()}/${failure.file}`);
    throw failure;
  }
}

/** The argument of qmail-start: that of the mail system that runs, or the one that would. */
function defaultDelivery(wish: string | undefined): DefaultDelivery {
  if (wish !== undefined) return { text: wish, source: "--default" };
  const running = processesOf(qmailHome()).find(({ name }) => name === "qmail-lspawn")?.arguments[0];
  if (running !== undefined) return { text: running, source: "qmail-lspawn, which runs" };
  const line = controlLine("defaultdelivery");
  if (line !== undefined) return { text: line.toString("latin1"), source: "control/defaultdelivery" };
  const script = readIfThere(inHome("rc")) ?? "";
  const [, quoted, plain] = /^[^#\n]*\bqmail-start\s+(?:'([^']+)'|([.|/&][^\s'"$\\]*))/m.exec(script) ?? [];
  const found = quoted ?? plain;
  if (found !== undefined) return { text: found, source: "rc" };
  throw refuse(
    `what is the default delivery? qmail-send does not run, and neither ${inHome("control/defaultdelivery")} nor ${inHome("rc")} says it; give --default TEXT`,
  );
}

/** Files that changed after qmail-send read them: a HUP makes it read these two again. */
function outdated(): string[] {
  const started = processesOf(qmailHome()).find(({ name }) => name === "qmail-send")?.started;
  if (started === undefined) return [];
  return ["me", "envnoathost", "percenthack", "locals", "virtualdomains"].flatMap((name) => {
    // When a process started is known to the second.
    if (changed(inHome("control", name)) <= started + 1) return [];
    const cure =
      name === "locals" || name === "virtualdomains" ? "since its last HUP" : "since it was started";
    return [`control/${name} is newer than the qmail-send that runs: it goes by what the file said ${cure}`];
  });
}

function changed(path: string): number {
  try {
    return statSync(path).mtimeMs / 1000;
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return 0;
    throw failure;
  }
}
