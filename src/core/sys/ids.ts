/** Whose process this is. All changes go through here: what is known of the ids is asked for at every path. */

let real: boolean | undefined;

/** Whether the process has the ids of who called it. */
export function idsAreReal(): boolean {
  real ??= process.getuid?.() === process.geteuid?.() && process.getgid?.() === process.getegid?.();
  return real;
}

/** Takes the ids for good. The groups come first, since afterwards there is no right to them; default: `gid` alone. */
export function takeIds(uid: number, gid: number, takeGroups = () => process.setgroups?.([gid])): void {
  real = undefined;
  takeGroups();
  process.setgid?.(gid);
  process.setuid?.(uid);
}
