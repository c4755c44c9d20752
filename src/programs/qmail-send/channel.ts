/** The two channels that deliveries go through: qmail-lspawn's and qmail-rspawn's. */

/** 0 is local, 1 is remote. */
export type Channel = 0 | 1;

/** Both channels, in the order in which they are served. */
export const channels: readonly Channel[] = [0, 1];

/** What differs between them. `skip` is the number of steps that a retry moves up the quadratic schedule. */
export const channelTable = [
  { name: "local", skip: 10 },
  { name: "remote", skip: 20 },
] as const;

/**
 * When the next attempt is due after one that starts at `now`: birth + (floor(sqrt(age)) + skip)^2, in seconds. A
 * message from the future counts as new.
 */
export function nextAttempt(birth: number, now: number, channel: Channel): number {
  const steps = Math.floor(Math.sqrt(Math.max(now - birth, 0))) + channelTable[channel].skip;
  return birth + steps * steps;
}

/** No attempt of a message that is not too old is later, unless the clock was wrong at its birth or at the last one. */
export function latestAttempt(lifetime: number, now: number, channel: Channel): number {
  const { skip } = channelTable[channel];
  return now + 2 * skip * Math.ceil(Math.sqrt(lifetime)) + skip * skip;
}
