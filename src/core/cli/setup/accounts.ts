/** qmail's groups and users: which there have to be, and how they are made. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { standardHome } from "../../sys/home.ts";
import { accountByName, groupByName } from "../../sys/passwd.ts";
import type { Role, RoleGroup } from "../../sys/roles.ts";
import { shellWord } from "../shell.ts";
import { attempt, fail, refuse } from "../trouble.ts";
import type { Steps } from "./step.ts";

/** qmail's groups. */
export const groups: readonly RoleGroup[] = ["nofiles", "qmail"];

/** qmail's users, each with its group and its home. */
export const accounts: readonly (readonly [name: Exclude<Role, "root">, group: RoleGroup, home: string])[] = [
  ["alias", "nofiles", `${standardHome}/alias`],
  ["qmaild", "nofiles", standardHome],
  ["qmaill", "nofiles", standardHome],
  ["qmailp", "nofiles", standardHome],
  ["qmailq", "qmail", standardHome],
  ["qmailr", "qmail", standardHome],
  ["qmails", "qmail", standardHome],
];

const places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** The full path of a program of the system, or undefined. */
export function tool(name: string): string | undefined {
  return places.map((place) => `${place}/${name}`).find((path) => existsSync(path));
}

const shell = (): string => tool("nologin") ?? "/bin/false";

/** The command lines for what is missing. */
function missing(): { what: string; command: string[] }[] {
  const lacking = (kind: "group" | "user", name: string): boolean =>
    attempt(`look up ${kind} ${name}`, () => (kind === "group" ? groupByName(name) : accountByName(name))) ===
    undefined;
  return [
    ...groups
      .filter((name) => lacking("group", name))
      .map((name) => ({ what: `group ${name}`, command: ["groupadd", "--system", name] })),
    ...accounts
      .filter(([name]) => lacking("user", name))
      .map(([name, group, home]) => ({
        what: `user ${name}`,
        command: [
          ...["useradd", "--system", "--no-create-home", "--gid", group],
          ...["--home-dir", home, "--shell", shell(), name],
        ],
      })),
  ];
}

/** Refuses (100) where accounts are missing and this machine has no useradd and groupadd to make them. */
export function checkTools(): void {
  const needed = missing();
  const absent = [...new Set(needed.map(({ command: [name = ""] }) => name))].filter(
    (name) => tool(name) === undefined,
  );
  if (absent.length === 0) return;
  const lines = needed.map(({ command }) => `\n  ${command.map(shellWord).join(" ")}`).join("");
  throw refuse(
    `${absent.join(" and ")} not found: make these groups and users by the means of this system, then run it again; elsewhere it would be${lines}`,
  );
}

/** A step for each group and user that is missing. */
export function* accountSteps(): Steps {
  for (const { what, command } of missing()) yield { words: `make ${what}`, run: () => make(what, command) };
}

function make(what: string, [name = "", ...words]: string[]): void {
  const { status, stderr, error } = spawnSync(tool(name) ?? name, words, {
    encoding: "utf8",
    env: { PATH: places.join(":") },
  });
  if (error !== undefined || status !== 0)
    throw fail(`unable to make ${what}: ${error?.message ?? (stderr.trim() || `${name} exits ${status}`)}`);
}
