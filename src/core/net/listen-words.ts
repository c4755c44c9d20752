/** What a server that stays says of itself on descriptor 2. */
import { formatIp } from "../bytes/ip.ts";
import { isSystemError, temporary } from "../exit.ts";
import { errorText } from "../sys/errors.ts";
import { writeAll } from "../sys/fd.ts";
import type { Place } from "./listen-options.ts";

/** Says one line. */
export function say(program: string, text: string): void {
  try {
    writeAll(2, Buffer.from(`${program}: ${text}\n`));
  } catch (failure) {
    if (!isSystemError(failure)) throw failure; // Nobody reads the log: mail goes on.
  }
}

export function showPlace(place: Place): string {
  if ("descriptor" in place) return `descriptor ${place.descriptor}`;
  const { address, port } = place;
  return address.length === 16 ? `[${formatIp(address)}]:${port}` : `${formatIp(address)}:${port}`;
}

/** Takes a place; where that fails, the server ends with words about it. */
export function take<Taken>(program: string, place: Place, work: () => Taken): Taken {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(
      `${program}: fatal: unable to listen on ${showPlace(place)}: ${errorText(failure.code)}\n`,
    );
  }
}
