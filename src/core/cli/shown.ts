/** Making values of mail and of the system fit to be read: nothing that a stranger wrote reaches the terminal as it is. */

/**
 * Bytes (a character each) as a person reads them: UTF-8 where it is valid and printable, `\xNN` for the rest, so that
 * no control sequence gets through.
 */
export function shown(text: string): string {
  const decoded = Buffer.from(text, "latin1").toString("utf8");
  const readable = decoded.includes("\ufffd") ? text.replace(/[\x80-\xff]/g, escaped) : decoded;
  return readable.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => escaped(String.fromCharCode(byte))).join(""),
  );
}

const escaped = (character: string): string =>
  `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`;

/** 1536 is `1.5 KB`. */
export function bytesShown(size: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"] as const;
  let value = size;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds in two units at most: `0.04 s`, `12 s`, `3 min 5 s`, `2 h`, `5 d 4 h`. */
export function durationShown(seconds: number): string {
  if (seconds < 0.0005) return "0 s";
  if (seconds < 0.1) return `${Number((seconds * 1000).toPrecision(2))} ms`;
  if (seconds < 9.95) return `${Number(seconds.toPrecision(2))} s`;
  const units = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const total = Math.round(seconds);
  const first = units.findIndex(([, size]) => total >= size);
  const [name, size] = units[first] ?? units[3];
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((total % size) / next[1]);
  return `${Math.floor(total / size)} ${name}${rest > 0 ? ` ${rest} ${next?.[0]}` : ""}`;
}

/** 12345 is `12,345`. */
export const countShown = (count: number): string => Math.round(count).toLocaleString("en-US");

/** `1 message`, `2 messages`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${countShown(count)} ${count === 1 ? one : many}`;

/** A share in percent, `<0.1 %` rather than nothing. */
export function shareShown(part: number, whole: number): string {
  if (whole === 0) return "-";
  const percent = (part / whole) * 100;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${percent >= 99.95 || percent === 0 ? Math.round(percent) : percent.toFixed(1)} %`;
}

/** Unix seconds as local time: `2026-11-24 18:15:50`. */
export function timeShown(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Columns that a text takes on a terminal: wide characters of East Asia and emoji take two, combining ones none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text)
    if (!/\p{M}/u.test(character))
      width +=
        /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u.test(
          character,
        )
          ? 2
          : 1;
  return width;
}

/** Cut to `width` columns, with an ellipsis where something is missing. */
export function cutTo(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  for (const character of text) {
    if (widthOf(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Filled up with blanks to `width` columns. */
export const padTo = (text: string, width: number, side: "left" | "right" = "left"): string => {
  const blanks = " ".repeat(Math.max(0, width - widthOf(text)));
  return side === "left" ? text + blanks : blanks + text;
};
