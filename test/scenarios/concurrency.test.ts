/** How many deliveries there are at once: as many as the control files say among our own programs, 120 with others. */
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Home, makeHome, programs, startHome } from "./home.ts";

const wanted = 300;

/** A shell script in the place of one of the home's programs. */
function replace(home: Home, name: string, script: string): void {
  const path = home.at("bin", name);
  rmSync(path);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** Sends a message to many remote recipients; no delivery ends before as many as may are under way. Returns how many. */
async function mostAtOnce(change: (home: Home) => void): Promise<number> {
  const home = await makeHome();
  writeFileSync(home.at("control/concurrencyremote"), `${wanted}\n`);
  const wait = 'while [ ! -e "$QMAILHOME/go" ]; do sleep 0.3; done';
  replace(home, "qmail-remote", `${wait}\nprintf "r\\0Ktook it\\n\\0"`);
  change(home);
  const system = await startHome(home);
  try {
    const limit = Number(/remote 0\/(\d+)/.exec(system.log)?.[1]);
    const recipients = Array.from({ length: wanted }, (_, index) => `r${index}@there.example`);
    expect((await home.inject("Subject: many\n\n", recipients)).code).toBe(0);
    await system.logged(` remote ${limit}/${limit}\n`);
    writeFileSync(home.at("go"), "");
    await system.logged(/^end msg /m);
    expect(system.log.match(/^delivery \d+: success: took_it\/$/gm)?.length).toBe(wanted);
    expect(system.log).not.toContain("warning");
    return limit;
  } finally {
    await system.killAll();
    home.dispose();
  }
}

test("among our own programs, above 255", async () => {
  expect(await mostAtOnce(() => {})).toBe(wanted);
});

test("a spawner that is not ours keeps the one-byte interface", async () => {
  const limit = await mostAtOnce((home) => {
    replace(home, "qmail-rspawn", `exec '${join(programs, "qmail-rspawn")}'`);
  });
  expect(limit).toBe(120);
});
