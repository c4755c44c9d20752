/** A recipe of a guide in the manual, run as it is printed, by root and by ann. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { recipesOf, Shell, sleep, systemctl } from "../../helpers/guide.ts";
import { patience } from "../../helpers/patience.ts";
import { ann } from "../../scenarios/system-wide.ts";
import type { Row } from "./row.ts";
import { searchPath, type World } from "./world.ts";

/** What stands under a heading of a guide. */
export interface Recipe {
  /** `guide-sending.7` */
  page: string;
  /** The heading. */
  title: string;
  packages: Row["packages"];
  needs: readonly string[];
  /** What the machine has that the recipe counts on, beside the mail system. */
  before?: (world: World) => Promise<void> | void;
  /** Waits for what systemctl started, or what a pause is for: it may take its time to answer. */
  ready?: (world: World) => Promise<void>;
}

/** What `systemctl restart NAME` does for services of the machine, beside those whose units are in /etc. */
export function units(world: World, commands: Readonly<Record<string, string>>): void {
  const cases = Object.entries(commands).map(([name, command]) => `restart-${name}) ${command};;`);
  const script = `#!/bin/sh\ncase $1-$2 in\n${cases.join("\n")}\n*) ${systemctl};;\nesac\n`;
  tool(world, "systemctl", script);
}

/** Something that stands in for a program of the machine. */
function tool(world: World, name: string, script: string): void {
  const place = world.at("tools");
  mkdirSync(place, { recursive: true });
  chmodSync(place, 0o755);
  writeFileSync(`${place}/${name}`, script, { mode: 0o755 });
}

/** What looks for mail that has to come, perhaps by way of others. */
const search = /(?<!! )\bgrep -r '[^']*' ~\/\w+/;

async function follow(world: World, { page, title, before, ready }: Recipe): Promise<string> {
  const commands = recipesOf(page).get(title) ?? [];
  assert.ok(commands.length > 0, `${page} has no commands under ${title}`);
  await before?.(world);
  tool(world, "sleep", `#!/bin/sh\n${sleep}\n`);
  const home = world.at("ann");
  const were = new Set(readdirSync(home));
  const path = `${world.at("tools")}:${searchPath}`;
  const root = new Shell({ PATH: path, HOME: "/root", USER: "root", LOGNAME: "root" }, world.work, 0);
  const person = new Shell({ PATH: path, HOME: home, USER: "ann", LOGNAME: "ann" }, home, ann);
  try {
    for (const [index, { root: asRoot, text }] of commands.entries()) {
      const shell = asRoot ? root : person;
      const [searching] = search.exec(text) ?? [];
      if (searching !== undefined) await found(shell, searching);
      // What a pause is for is waited for itself, however long that takes; but what must not come gets its time.
      const isPause = text.startsWith("sleep ");
      if (!isPause || commands.slice(index).some((command) => command.text.startsWith("! "))) {
        const { code, output } = await shell.run(text);
        assert.equal(code, 0, `${text}\nexit ${code}\n${output}\n${world.log.slice(-2000)}`);
      }
      if (isPause && existsSync("/var/qmail/queue/mess")) await world.settled();
      if (isPause || text.startsWith("systemctl restart ")) await ready?.(world);
    }
  } finally {
    for (const shell of [root, person]) shell.end();
    for (const name of readdirSync(home)) if (!were.has(name)) rmSync(`${home}/${name}`, { recursive: true });
  }
  return `${commands.length} commands, as printed`;
}

/** Waits until it is found. */
async function found(shell: Shell, searching: string): Promise<void> {
  for (const end = Date.now() + patience * 1000; ; await Bun.sleep(100)) {
    if ((await shell.run(`${searching} >/dev/null`)).code === 0) return;
    assert.ok(Date.now() < end, `waited in vain: ${searching}`);
  }
}

/** The row of a recipe. */
export function rowOf(recipe: Recipe): Row {
  const { page, title, packages, needs } = recipe;
  return {
    packages,
    needs,
    direction: `${page.replace(/\.(\d)$/, "($1)")}: ${title}`,
    recipe: { page, title },
    check: (world) => follow(world, recipe),
  };
}
