/** What a line of qmail-send's log says (qmail-log(5)). */

export type Channel = "local" | "remote";
export type Result = "success" | "failure" | "deferral";

/** Deliveries under way, and how many there can be. */
export interface Load {
  running: number;
  limit: number;
}

/** One line. `id` is the number of a message, `delivery` that of an attempt. */
export type LogEvent =
  | { kind: "new" | "end" | "discarded"; id: string }
  | { kind: "info"; id: string; bytes: number; sender: string; qp: string; uid: string }
  | { kind: "bounce"; id: string; qp: string }
  | { kind: "start"; delivery: string; id: string; channel: Channel; recipient: string }
  | { kind: Result; delivery: string; report: string }
  | { kind: "mangled"; delivery: string }
  | { kind: "status"; local: Load; remote: Load; exiting: boolean }
  | { kind: "exit" }
  | { kind: "alert" | "warning" | "other"; text: string };

type Read = (parts: string[]) => LogEvent;

const load = (running: string | undefined, limit: string | undefined): Load => ({
  running: Number(running),
  limit: Number(limit),
});

/** The shapes, by their first word. What follows a known shape, as some patches add it, is no part of it. */
const shapes: Readonly<Record<string, readonly (readonly [RegExp, Read])[]>> = {
  new: [[/^new msg (\d+)/, ([id = ""]) => ({ kind: "new", id })]],
  end: [[/^end msg (\d+)/, ([id = ""]) => ({ kind: "end", id })]],
  info: [
    [
      /^info msg (\d+): bytes (\d+) from <(.*)> qp (\d+) uid (-?\d+)/,
      ([id = "", bytes, sender = "", qp = "", uid = ""]) => ({
        kind: "info",
        id,
        bytes: Number(bytes),
        sender,
        qp,
        uid,
      }),
    ],
  ],
  bounce: [[/^bounce msg (\d+) qp (\d+)/, ([id = "", qp = ""]) => ({ kind: "bounce", id, qp })]],
  triple: [[/^triple bounce: discarding bounce\/(\d+)/, ([id = ""]) => ({ kind: "discarded", id })]],
  starting: [
    [
      /^starting delivery (\d+): msg (\d+) to (local|remote) (.*)/,
      ([delivery = "", id = "", channel, recipient = ""]) => ({
        kind: "start",
        delivery,
        id,
        channel: channel === "local" ? "local" : "remote",
        recipient,
      }),
    ],
  ],
  delivery: [
    [
      /^delivery (\d+): success: (.*)/,
      ([delivery = "", report = ""]) => ({ kind: "success", delivery, report }),
    ],
    [
      /^delivery (\d+): failure: (.*)/,
      ([delivery = "", report = ""]) => ({ kind: "failure", delivery, report }),
    ],
    [
      /^delivery (\d+): deferral: (.*)/,
      ([delivery = "", report = ""]) => ({ kind: "deferral", delivery, report }),
    ],
    [/^delivery (\d+): report mangled/, ([delivery = ""]) => ({ kind: "mangled", delivery })],
  ],
  "status:": [
    [
      /^status: local (\d+)\/(\d+) remote (\d+)\/(\d+)( exitasap)?/,
      ([a, b, c, d, exit]) => ({
        kind: "status",
        local: load(a, b),
        remote: load(c, d),
        exiting: exit !== undefined,
      }),
    ],
    [/^status: exiting/, () => ({ kind: "exit" })],
  ],
};

/** Reads the text of a line. */
export function eventOf(text: string): LogEvent {
  const blank = text.indexOf(" ");
  const word = blank < 0 ? text : text.slice(0, blank);
  if (word === "alert:") return { kind: "alert", text: text.slice(blank + 1) };
  if (word === "warning:") return { kind: "warning", text: text.slice(blank + 1) };
  const candidates = Object.hasOwn(shapes, word) ? shapes[word] : undefined;
  for (const [shape, read] of candidates ?? []) {
    const found = shape.exec(text);
    if (found !== null) return read(found.slice(1));
  }
  return { kind: "other", text };
}
