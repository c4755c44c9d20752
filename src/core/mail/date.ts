/** Dates as they stand in messages, in GMT. */

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;
const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

/** What a clock and a calendar show. `month` is 0 to 11. */
export interface Calendar {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const two = (value: number): string => String(value).padStart(2, "0");
const clock = ({ hour, minute, second }: Calendar): string => `${two(hour)}:${two(minute)}:${two(second)}`;

function gmt(unixSeconds: number): Calendar & { weekday: number } {
  const date = new Date(Math.trunc(unixSeconds) * 1000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth(),
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  };
}

/** `22 Nov 2026 21:26:10`, the first part of an RFC 822 date; the zone has to follow. */
export function dateAndTime(when: Calendar): string {
  return `${when.day} ${months[when.month]} ${when.year} ${clock(when)}`;
}

/** The last date that was asked for: servers ask for that of the same second many times. */
let last = { unixSeconds: Number.NaN, text: "" };

/** The time in GMT as RFC 822, 5.1 and a line feed: `22 Nov 2026 21:26:10 -0000\n`. */
export function date822(unixSeconds: number): string {
  if (unixSeconds !== last.unixSeconds)
    last = { unixSeconds, text: `${dateAndTime(gmt(unixSeconds))} -0000\n` };
  return last.text;
}

/** A local time as RFC 822, with the zone that makes it the same as `unixSeconds`: `22 Nov 2026 22:26:10 +0100\n`. */
export function localDate822(local: Calendar, unixSeconds: number): string {
  const asGmt = Date.UTC(local.year, local.month, local.day, local.hour, local.minute, local.second) / 1000;
  const sign = asGmt < unixSeconds ? "-" : "+";
  const minutes = Math.floor((Math.abs(asGmt - unixSeconds) + 30) / 60);
  return `${dateAndTime(local)} ${sign}${two(Math.floor(minutes / 60))}${two(minutes % 60)}\n`;
}

/** The date of an mbox From_ line, with its line feed: `Sun Nov 22 21:26:10 2026\n` (mbox(5)). */
export function mboxDate(unixSeconds: number): string {
  const when = gmt(unixSeconds);
  return `${weekdays[when.weekday]} ${months[when.month]} ${two(when.day)} ${clock(when)} ${when.year}\n`;
}

/** Year to second in one number, as in Message-IDs: `20261122212610`. */
export function dateDigits(unixSeconds: number): string {
  const { year, month, day, hour, minute, second } = gmt(unixSeconds);
  return `${year}${two(month + 1)}${two(day)}${two(hour)}${two(minute)}${two(second)}`;
}
