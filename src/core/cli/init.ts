/** `qmail init`: decides whose home it is to be and which host's, then has it made or mended by its owner. */
import { closeSync, lchownSync, lstatSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { tryLockExclusive } from "../sys/lock.ts";
import { carryPrograms, runAs } from "./as.ts";
import {
  currentOwner,
  type HomeState,
  homePath,
  makeHomeDirectory,
  type Owner,
  ownerNamed,
  ownerOfDirectory,
  ownerText,
  stateOf,
} from "./home.ts";
import { checkedHost, defaultHost } from "./host.ts";
import { type Mended, mend } from "./mend.ts";
import { look, readIfThere } from "./place.ts";
import { shellWord } from "./shell.ts";
import { attempt, fail, refuse } from "./trouble.ts";

/** What the command line said. */
export interface InitOptions {
  home: string;
  host?: string | undefined;
  user?: string | undefined;
}

/** What was done. `delegated`: a process of the owner did it, said so itself, and ended with that code. */
export type InitResult = { delegated: number } | (Mended & { home: string; host: string; fresh: boolean });

/** Makes or mends the home. Refusals change nothing; an interrupted run is finished by the next. */
export async function init(options: InitOptions): Promise<InitResult> {
  const wanted = options.host === undefined ? undefined : checkedHost(options.host);
  const home = homePath(options.home);
  const state = stateOf(home);
  const me = currentOwner();
  const owner = ownerFor(home, state, options.user, me);
  const host = hostOf(home, state, wanted);
  if (state === "absent") makeHomeDirectory(home);
  const holder = ownerOfDirectory(home).uid;
  if (state !== "home" && holder === me.uid && holder !== owner.uid) await carryPrograms(home, owner);
  if (holder !== owner.uid) giveTo(home, owner);
  if (owner.uid !== me.uid)
    return { delegated: await runAs(owner, home, ["init", "--home", home, "--host", host]) };
  return {
    ...(await mend({ home, uid: me.uid, gid: me.gid }, host, me.name)),
    home,
    host,
    fresh: state !== "home",
  };
}

/** Whose the home is to be: who was named, else whose it is, else ours. */
function ownerFor(home: string, state: HomeState, user: string | undefined, me: Owner): Owner {
  const holder = state === "absent" ? me : ownerOfDirectory(home);
  const named = user === undefined ? undefined : ownerNamed(user);
  if (me.uid === 0) return named ?? (state === "empty" ? me : holder);
  if (named !== undefined && named.uid !== me.uid)
    throw refuse(`only root can give a home to ${user}; this is ${ownerText(me)}`);
  if (holder.uid !== me.uid)
    throw refuse(`${home} belongs to ${ownerText(holder)}; this is ${ownerText(me)}`);
  return me;
}

/** The host of the home: the one it has, which nothing changes behind its owner's back, else the wanted or the machine's. */
function hostOf(home: string, state: HomeState, wanted: string | undefined): string {
  if (state !== "home") return wanted ?? defaultHost();
  const path = join(home, "control/me");
  const host = readIfThere(path)?.split("\n")[0]?.trim().toLowerCase() ?? "";
  if (host === "") throw refuse(`${path} does not begin with a host name`);
  if (wanted !== undefined && wanted !== host)
    throw refuse(
      `${home} is the home of host ${host}, not ${wanted}; to rename it, edit the files in ${home}/control`,
    );
  return host;
}

/** Gives a home and everything in it to somebody, the directory itself last: until then the next run gives it again. */
function giveTo(home: string, { uid, gid }: Owner): void {
  refuseWhileRunning(home);
  const give = (path: string): void => {
    if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) give(join(path, name));
    lchownSync(path, uid, gid);
  };
  attempt(`give ${home} away`, () => give(home));
}

function refuseWhileRunning(home: string): void {
  const path = join(home, "queue/lock/sendmutex");
  if (look(path) === undefined) return;
  const fd = attempt(`open ${path}`, () => openSync(path, "r+"));
  try {
    if (!tryLockExclusive(fd))
      throw refuse(`qmail-send is running in ${home}; stop it before the home changes hands`);
  } finally {
    closeSync(fd);
  }
}

/** For commands on a home that has to be there: its path. Refuses anything else. */
export function existingHome(given: string): string {
  const home = homePath(given);
  const make = `qmail init --home ${shellWord(home)}`;
  if (stateOf(home) !== "home") throw refuse(`${home} is no qmail home yet; this makes one: ${make}`);
  if (look(join(home, "users/assign")) === undefined)
    throw fail(`${home}/users/assign is missing; this puts it back: ${make}`);
  return home;
}
