/**
 * Expectations are patterns: literal bytes and placeholders such as {{PID}} for what differs between two runs. A
 * placeholder has a shape, and where it can a check: a date must be the date of the run.
 */

/** What the placeholders of one run stand for. */
export interface Moment {
  /** Begin and end of the run, in seconds. */
  from: number;
  to: number;
  /** {{T}}, {{QMAIL}} and others whose text is known exactly. */
  words: Readonly<Record<string, string>>;
}

interface Placeholder {
  shape: RegExp;
  holds?: (text: string, moment: Moment, rest: string) => boolean;
}

const day = "\\d{1,2} [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d";

function during(seconds: number, { from, to }: Moment): boolean {
  return seconds >= from - 2 && seconds <= to + 2;
}

/** Whether a local time is the moment's in the zone that follows it: ` +0530`. */
function duringLocally(text: string, moment: Moment, rest: string): boolean {
  const zone = /^ ([+-])(\d\d)(\d\d)/.exec(rest);
  if (zone === null) return false;
  const minutes = 60 * Number(zone[2]) + Number(zone[3]);
  const away = zone[1] === "-" ? -minutes : minutes;
  return during(Date.parse(`${text} UTC`) / 1000 - 60 * away, moment);
}

/** YYYYMMDDHHMMSS, UTC, as seconds. */
function fourteen(text: string): number {
  const parts = /^(....)(..)(..)(..)(..)(..)$/.exec(text)?.slice(1) ?? [];
  return Date.parse(`${parts.slice(0, 3).join("-")}T${parts.slice(3).join(":")}Z`) / 1000;
}

/** Whether decimal `length` is the length of the netstring whose rest follows it. */
function netstringFollows(length: string, rest: string): boolean {
  return rest[0] === ":" && rest[1 + Number(length)] === ",";
}

const placeholders: Readonly<Record<string, Placeholder>> = {
  DATE822: {
    shape: new RegExp(`${day} -0000`, "y"),
    holds: (text, moment) => !text.startsWith("0") && during(Date.parse(text) / 1000, moment),
  },
  DATELOCAL: {
    shape: new RegExp(day, "y"),
    holds: duringLocally,
  },
  DATEGMT: {
    shape: new RegExp(day, "y"),
    holds: (text, moment) => during(Date.parse(`${text} GMT`) / 1000, moment),
  },
  CTIME: {
    shape: /[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \d{4}/y,
    holds: (text, moment) => during(Date.parse(`${text} UTC`) / 1000, moment),
  },
  NOW: { shape: /\d{9,10}/y, holds: (text, moment) => during(Number(text), moment) },
  NOW14: { shape: /\d{14}/y, holds: (text, moment) => during(fourteen(text), moment) },
  PID: { shape: /\d+/y },
  MSG: { shape: /[1-9]\d*/y },
  NETLEN: { shape: /\d+/y, holds: (text, _moment, rest) => netstringFollows(text, rest) },
  MAILNAME: { shape: /\d{9,10}\.\d+\.[^\s/:,]+/y },
  HELPTEXT: { shape: /[^\n]*?(?=\r?\n|$)/y },
};

const secondsFrom = /^SECS:(\d+)$/;

/** The placeholder called `name`, or undefined if it is none. */
function placeholder(name: string): Placeholder | undefined {
  const least = secondsFrom.exec(name)?.[1];
  if (least === undefined) return placeholders[name];
  const within = (text: string) => Number(text) >= Number(least) && Number(text) <= Number(least) + 3;
  return { shape: /\d+/y, holds: within };
}

/** Replaces {{T}} and the like by what they stand for. */
export function fill(text: string, words: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{([A-Z0-9]+)\}\}/g, (whole, name: string) => words[name] ?? whole);
}

/** Where `actual` first leaves the pattern: its offset, or -1 if it agrees to the end. */
export function mismatch(pattern: string, actual: string, moment: Moment): number {
  if (pattern === actual) return -1;
  const pieces = fill(pattern, moment.words).split(/\{\{([A-Z0-9:]+)\}\}/);
  let at = 0;
  for (const [index, piece] of pieces.entries()) {
    const end = index % 2 === 0 ? literalEnd(piece, actual, at) : placeholderEnd(piece, actual, at, moment);
    if (end < 0) return -1 - end;
    at = end;
  }
  return at === actual.length ? -1 : at;
}

/** The offset behind the literal, or -1 minus the offset of the first difference. */
function literalEnd(literal: string, actual: string, at: number): number {
  if (actual.startsWith(literal, at)) return at + literal.length;
  let same = 0;
  while (literal[same] === actual[at + same]) same++;
  return -1 - (at + same);
}

function placeholderEnd(name: string, actual: string, at: number, moment: Moment): number {
  const known = placeholder(name);
  if (known === undefined) return literalEnd(`{{${name}}}`, actual, at);
  known.shape.lastIndex = at;
  const text = known.shape.exec(actual)?.[0];
  if (text === undefined) return -1 - at;
  const end = at + text.length;
  return known.holds === undefined || known.holds(text, moment, actual.slice(end)) ? end : -1 - at;
}
