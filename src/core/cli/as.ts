/** Running a program of ours, in the name of a home's owner where root asks for it. */
import { copyFileSync, linkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { programs } from "../../programs.ts";
import { isSystemError } from "../exit.ts";
import { errorText } from "../sys/errors.ts";
import { type End, start } from "../sys/spawn.ts";
import { executables } from "./executables.ts";
import { currentOwner, type Owner, ownerOfDirectory, ownerText } from "./home.ts";
import { look, placeDirectory } from "./place.ts";
import { attempt, fail, refuse } from "./trouble.ts";

/** Runs a program and returns how it ended; its output goes where ours goes. */
async function execute(
  command: string[],
  home: string,
  owner?: Owner,
  input: number | null = null,
): Promise<End> {
  const identity = owner && { USER: owner.name, LOGNAME: owner.name, HOME: home };
  try {
    const child = start({
      command,
      descriptors: [input, 1, 2],
      environment: { ...process.env, QMAILHOME: home, ...identity },
      directory: owner === undefined ? home : "/",
      ...(owner === undefined ? {} : { ids: { uid: owner.uid, gid: owner.gid } }),
    });
    return await child.ended;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const hint = owner === undefined ? "" : `; it has to lie where ${ownerText(owner)} may read it`;
    throw fail(`unable to run ${command[0]}: ${errorText(failure.code)}${hint}`);
  }
}

/** Whether the owner can run a program: it may lie where only root gets to. */
async function canRun(owner: Owner, program: string): Promise<boolean> {
  try {
    const { uid, gid } = owner;
    const child = start({
      // Through a shell: a program of ours would be started as root, and become the owner then.
      command: ["/bin/sh", "-c", 'exec "$0" --version', program],
      descriptors: [null, null, null],
      directory: "/",
      ids: { uid, gid },
    });
    const end = await child.ended;
    return "code" in end && end.code === 0;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return false;
  }
}

/**
 * Copies the programs into a new home that is still ours, where its future owner can not run them from where they are.
 * One executable of many names, as in dist/bin. Launchers of the source tree stay: what they start is there.
 */
export async function carryPrograms(home: string, owner: Owner): Promise<void> {
  const executable = join(executables(), "qmail-ts");
  if (look(executable) === undefined || (await canRun(owner, join(executables(), "qmail")))) return;
  for (const name of ["control", "bin"]) placeDirectory(join(home, name), 0o755);
  const copy = join(home, "bin/qmail-ts");
  attempt(`copy ${executable} to ${copy}`, () => {
    copyFileSync(executable, copy);
    for (const { name } of programs) {
      rmSync(join(home, "bin", name), { force: true });
      linkSync(copy, join(home, "bin", name));
    }
  });
}

/**
 * Does the command of this process again as the home's owner, so that everything made belongs to them and nothing is
 * written through a link of theirs with root's rights. `input`: what it reads. Returns the exit code.
 */
export async function runAs(
  owner: Owner,
  home: string,
  args: string[],
  input: number | null = null,
): Promise<number> {
  const [ours, copy] = [join(executables(), "qmail"), join(home, "bin/qmail")];
  const program = !(await canRun(owner, ours)) && (await canRun(owner, copy)) ? copy : ours;
  const end = await execute([program, ...args], home, owner, input);
  if ("signal" in end) throw fail(`qmail as ${ownerText(owner)} was killed by ${end.signal}`);
  return end.code;
}

/** Whether this process may change the home itself. Root has to become the owner first; anybody else is refused. */
export function mustBecome(home: string): Owner | undefined {
  const me = currentOwner();
  const owner = ownerOfDirectory(home);
  if (owner.uid === me.uid) return undefined;
  if (me.uid === 0) return owner;
  throw refuse(`${home} belongs to ${ownerText(owner)}, and this is ${ownerText(me)}`);
}

/** Makes users/cdb from users/assign by the home's own qmail-newu. */
export async function compileUsers(home: string): Promise<void> {
  const end = await execute([join(home, "bin/qmail-newu")], home);
  if ("signal" in end) throw fail(`qmail-newu was killed by ${end.signal}`);
  if (end.code !== 0)
    throw fail("qmail-newu did not make users/cdb from users/assign; see its message above");
}
