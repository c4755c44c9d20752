/** Which .qmail file an address has in a home: users/assign says, or else the accounts of the machine (qmail-users(5)). */
import { safeExtension } from "../delivery/dotqmail.ts";

/** Where the instructions for a local part stand. */
export interface DotFile {
  /** Path of the .qmail file. */
  path: string;
  /** Whether it is a user's own address, whose mail is in ./Maildir/ where no .qmail file says otherwise. */
  isMailbox: boolean;
}

/** Who an address belongs to: a directory, and what its .qmail file is called. */
interface Place {
  directory: string;
  dash: string;
  extension: string;
}

/** The .qmail file for a local part, by the lines of users/assign and then by `account`, which knows the machine's. */
export function dotFileOf(
  local: string,
  assign: string,
  account: (local: string) => Place | undefined,
): DotFile | undefined {
  const place = assigned(local.toLowerCase(), assign) ?? account(local);
  if (place === undefined) return undefined;
  const extension = safeExtension(Buffer.from(place.extension, "latin1")).toString("latin1");
  return {
    path: `${place.directory}/.qmail${place.dash}${extension}`,
    isMailbox: place.dash === "" && extension === "",
  };
}

function assigned(local: string, assign: string): Place | undefined {
  let best: Place | undefined;
  let length = -1;
  for (const line of assign.split("\n")) {
    if (line.startsWith(".")) break;
    const [kind, fields] = [line.charAt(0), line.slice(1).split(":")];
    const [key = "", , , , directory, dash, pre] = fields;
    if (directory === undefined || dash === undefined || pre === undefined) continue;
    const start = key.toLowerCase();
    if (kind === "=" && start === local) return { directory, dash, extension: pre };
    if (kind !== "+" || start.length <= length || !local.startsWith(start)) continue;
    length = start.length;
    best = { directory, dash, extension: pre + local.slice(start.length) };
  }
  return best;
}
