/** A line of the log as a person reads it, or as an object for programs. */
import type { LogEvent } from "../../log/event.ts";
import type { Seen } from "../../log/tracker.ts";
import type { Paint } from "../paint.ts";
import { bytesShown, durationShown, padTo, shown, timeShown } from "../shown.ts";

const idWidth = 9;
const kindWidth = 8;

/** A report without qmail-send's underscores and slashes for blanks and line feeds. */
export const reportShown = (report: string): string =>
  shown(report.replaceAll("_", " ").replace(/\/+$/, "").replaceAll("/", " / "));

const colours: Readonly<Partial<Record<LogEvent["kind"], keyof Paint>>> = {
  success: "good",
  failure: "bad",
  deferral: "waiting",
  mangled: "waiting",
  bounce: "bad",
  discarded: "bad",
  alert: "bad",
  warning: "waiting",
  status: "quiet",
  exit: "quiet",
  end: "quiet",
  other: "quiet",
};

/** One line, without its line feed. */
export function seenText(seen: Seen, paint: Paint): string {
  const { time, event, message } = seen;
  const when = time === undefined ? "" : `${paint.quiet(timeShown(time))}  `;
  const colour = colours[event.kind];
  const kind = padTo(event.kind === "discarded" ? "discard" : event.kind, kindWidth);
  const words = colour === undefined ? kind : paint[colour](kind);
  return `${when}${padTo(message?.id ?? "", idWidth)} ${words} ${detail(seen, paint)}`.trimEnd();
}

const since = (start: number | undefined, time: number | undefined): string =>
  start === undefined || time === undefined ? "" : durationShown(Math.max(0, time - start));

function detail({ time, event, message, delivery }: Seen, paint: Paint): string {
  switch (event.kind) {
    case "info":
      return `from <${shown(event.sender)}>, ${bytesShown(event.bytes)}, qp ${event.qp}, uid ${event.uid}`;
    case "start":
      return `${event.channel} ${shown(event.recipient)}`;
    case "success":
    case "failure":
    case "deferral": {
      const who = delivery === undefined ? `delivery ${event.delivery}` : shown(delivery.recipient);
      const took = since(delivery?.started, time);
      return `${who}${took === "" ? "" : paint.quiet(` in ${took}`)}: ${reportShown(event.report)}`;
    }
    case "mangled":
      return `${delivery === undefined ? `delivery ${event.delivery}` : shown(delivery.recipient)}: report mangled`;
    case "bounce":
      return `queued with qp ${event.qp}`;
    case "end": {
      const age = since(message?.born, time);
      return age === "" ? "" : paint.quiet(`after ${age}`);
    }
    case "status": {
      const { local, remote, exiting } = event;
      return paint.quiet(
        `local ${local.running}/${local.limit} remote ${remote.running}/${remote.limit}${exiting ? ", stopping" : ""}`,
      );
    }
    case "alert":
    case "warning":
    case "other":
      return shown(event.text);
    default:
      return "";
  }
}

/** The same with everything that is known, for JSON. Times are in seconds, `time` also as text. */
export function seenObject({ time, event, message, delivery }: Seen): Record<string, unknown> {
  const { kind, ...fields } = event;
  const finished =
    delivery !== undefined && kind !== "start"
      ? { channel: delivery.channel, recipient: delivery.recipient }
      : {};
  const took =
    time !== undefined && delivery?.started !== undefined && kind !== "start"
      ? { seconds: rounded(time - delivery.started) }
      : {};
  const age = time !== undefined && message?.born !== undefined ? { age: rounded(time - message.born) } : {};
  const { sender, qp, uid, bytes } = message ?? {};
  const texts = Object.entries({
    time: time === undefined ? null : new Date(time * 1000).toISOString(),
    unix: time ?? null,
    event: kind,
    ...(message === undefined ? {} : { id: message.id, sender, qp, uid, bytes }),
    ...fields,
    ...finished,
    ...took,
    ...age,
  }).map(([key, value]) => [key, typeof value === "string" ? shown(value) : value]);
  return Object.fromEntries(texts);
}

const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
