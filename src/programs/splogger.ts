/**
 * splogger(8): copies the lines of descriptor 0 to syslog, each with the time it came. A line that begins with
 * `alert:` or `warning:` has that priority, every other is information; a long line is cut, and `+` marks the rest.
 */
import { LineFolder, type Piece } from "../core/bytes/fold.ts";
import { leadingNumber } from "../core/bytes/text.ts";
import { Reader } from "../core/sys/fd.ts";
import { log, mailFacility, openLog, priority, timeStamp } from "../core/sys/syslog.ts";

const priorities: readonly (readonly [string, number])[] = [
  ["alert:", priority.alert],
  ["warning:", priority.warning],
];

export function main([tag, facility]: Buffer[]): number {
  openLog(
    tag ?? Buffer.from("splogger"),
    facility === undefined ? mailFacility : (leadingNumber(facility) ?? 0),
  );
  const write = writer();
  const input = new Reader(0);
  const folder = new LineFolder();
  for (let bytes = input.chunk(); bytes.length > 0; bytes = input.chunk())
    for (const piece of folder.push(bytes)) write(piece);
  for (const piece of folder.end()) write(piece);
  return 0;
}

/** Makes entries; the pieces of one line share the stamp and the priority of the first. */
function writer(): (piece: Piece) => void {
  let level: number = priority.info;
  let stamp = "";
  return ({ text, continued }) => {
    if (!continued) {
      level = priorities.find(([prefix]) => text.startsWith(prefix))?.[1] ?? priority.info;
      stamp = timeStamp();
    }
    log(level, `${stamp}${continued ? "+" : " "}${text}`);
  };
}
