/**
 * A line of a log without what the logger put in front of it: multilog's TAI64N, syslog's and journald's headers,
 * splogger's own time. Texts have a character for each byte.
 */

/** A line as qmail-send wrote it. */
export interface LogLine {
  /** Unix time in seconds; undefined: the line says nothing about it. */
  time: number | undefined;
  text: string;
}

/** A line of the file; `part`: whether splogger cut it, and whether it is the rest of one that it cut. */
interface Piece extends LogLine {
  part: "whole" | "cut" | "rest";
}

/** daemontools counts TAI as Unix time and ten seconds, from 2^62: halves of that in hexadecimal are numbers. */
const taiOffset = { high: 0x40000000, low: 10 } as const;
const half = 2 ** 32;

/** The piece that splogger cuts from a long line. */
const longest = 799;

const tai64n = /^@([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8}) ?/;
const tag = "\\S+ [^\\s:\\[]+(?:\\[\\d+\\])?: ";
const iso = new RegExp(
  `^(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?)(Z|[+-]\\d\\d:?\\d\\d) ${tag}`,
);
const bsd = new RegExp(`^([A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d)(\\.\\d+)? ${tag}`);
/** The process number is required: without it, words of qmail-send look like a host and a program. */
const unix = /^(\d{9,10}\.\d{6}) \S+ [^\s:[]+\[\d+\]: /;
const local = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) /;
/** With six digits it is splogger's, which is looked at later. */
const seconds = /^(\d{9,10}\.(?:\d{3,5}|\d{7,9})) /;
const splogger = /^(\d{9,10}\.\d{6})([ +])/;

/** Reads lines one after another; a line that splogger cut comes out when it is whole. */
export class LogReader {
  readonly #now: number;
  #pending: LogLine | undefined;

  /** `now`: the Unix time, for dates without a year. */
  constructor(now: number) {
    this.#now = now;
  }

  /** The lines that this one, without its line feed, completes. */
  push(line: string): LogLine[] {
    const { part, ...piece } = this.#read(line);
    if (part === "rest" && this.#pending !== undefined) {
      this.#pending.text += piece.text;
      return piece.text.length < longest ? this.end() : [];
    }
    const before = this.end();
    if (part !== "cut") return [...before, piece];
    this.#pending = piece;
    return before;
  }

  /** What waits for its rest, at the end of the log. */
  end(): LogLine[] {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending === undefined ? [] : [pending];
  }

  #read(line: string): Piece {
    const logged = line.startsWith("{")
      ? (journalEntry(line) ?? { time: undefined, text: line })
      : this.#header(line);
    const stamp = splogger.exec(logged.text);
    if (stamp === null) return { ...logged, part: "whole" };
    const text = logged.text.slice(stamp[0].length);
    const part = stamp[2] === "+" ? "rest" : text.length >= longest ? "cut" : "whole";
    return { time: Number(stamp[1]), text, part };
  }

  #header(line: string): LogLine {
    const tai = tai64n.exec(line);
    if (tai !== null) {
      const [high = 0, low = 0, nanoseconds = 0] = tai.slice(1).map((digits) => Number.parseInt(digits, 16));
      const time = (high - taiOffset.high) * half + low - taiOffset.low + nanoseconds / 1e9;
      return { time, text: line.slice(tai[0].length) };
    }
    for (const { form, time } of forms) {
      const found = form.exec(line);
      if (found !== null) return { time: time(found, this.#now), text: line.slice(found[0].length) };
    }
    return { time: undefined, text: line };
  }
}

/** Lines of the same second come together, and reading a date takes longer than everything else. */
let last: { text: string; time: number | undefined } = { text: "", time: undefined };

function fromDate(text: string): number | undefined {
  if (text !== last.text) {
    const time = Date.parse(text) / 1000;
    last = { text, time: Number.isNaN(time) ? undefined : time };
  }
  return last.time;
}

type Time = (found: RegExpExecArray, now: number) => number | undefined;

const forms: readonly { form: RegExp; time: Time }[] = [
  { form: unix, time: ([, time]) => Number(time) },
  {
    form: iso,
    time: ([, time = "", zone = ""]) =>
      fromDate(time.replace(",", ".") + zone.replace(/^(...)(\d\d)$/, "$1:$2")),
  },
  { form: bsd, time: ([, time = "", fraction = ""], now) => withoutYear(time, Number(`0${fraction}`), now) },
  { form: local, time: ([, day, time]) => fromDate(`${day}T${time?.slice(0, 12)}`) },
  { form: seconds, time: ([, time]) => Number(time) },
];

/** Such a date of this year, or of the last if that is more than a day ahead. */
function withoutYear(text: string, fraction: number, now: number): number | undefined {
  const year = new Date(now * 1000).getFullYear();
  const time = fromDate(`${text} ${year}`);
  if (time === undefined || time <= now + 86400) return time === undefined ? undefined : time + fraction;
  const before = fromDate(`${text} ${year - 1}`);
  return before === undefined ? undefined : before + fraction;
}

/** An entry of `journalctl -o json`; undefined: it is none. */
function journalEntry(line: string): LogLine | undefined {
  const entry = parsed(line);
  if (typeof entry !== "object" || entry === null || !("MESSAGE" in entry)) return undefined;
  const { MESSAGE: message } = entry;
  const stamp = "_SOURCE_REALTIME_TIMESTAMP" in entry ? entry._SOURCE_REALTIME_TIMESTAMP : undefined;
  const received = "__REALTIME_TIMESTAMP" in entry ? entry.__REALTIME_TIMESTAMP : undefined;
  const time = Number(stamp ?? received) / 1e6;
  // What is not UTF-8 is a list of bytes there.
  const text = Array.isArray(message)
    ? Buffer.from(message).toString("latin1")
    : Buffer.from(String(message)).toString("latin1");
  return { time: Number.isNaN(time) ? undefined : time, text };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (failure) {
    if (failure instanceof SyntaxError) return undefined;
    throw failure;
  }
}
