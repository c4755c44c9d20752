/** The guides in the manual, followed word for word. Needs root, namespaces with overlays, gcc, useradd, setpriv and telnet. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandsOf } from "../helpers/guide.ts";
import { canCompile } from "../helpers/launcher.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { groups } from "../interop/groups.ts";
import type { Followed } from "./guides.ts";

const has = (name: string): boolean => Bun.which(name, { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }) !== null;
const possible = canUnshare() && canCompile() && ["useradd", "telnet", "setpriv"].every(has);

async function follow(page: string): Promise<Followed> {
  const work = mkdtempSync(join(tmpdir(), "qmail-guide-"));
  try {
    const script = join(import.meta.dir, "guides.ts");
    const child = Bun.spawn([...unshare, process.execPath, script, work, page], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(err);
    return JSON.parse(out) as Followed;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** What the commands of a guide printed, together. */
const outputOf = ({ done }: Followed): string => done.map(({ output }) => output).join("");
const subjects = (texts: readonly string[] = []): string[] =>
  texts.map((text) => /^Subject: (.*)$/m.exec(text)?.[1] ?? "").sort();

/** What has to be so at the end of each. */
const ends: Readonly<Record<string, (followed: Followed) => void>> = {
  "guide-start.7": (followed) => expect(outputOf(followed)).toContain("\n\nSee you at noon.\n"),
  "guide-replace-qmail.7": ({ mail, done }) => {
    expect(subjects(mail.ann)).toEqual(["before"]);
    expect(done.map(({ output }) => output).join("")).toContain(
      "replace /var/qmail/bin/qmail-send of another qmail",
    );
  },
  "guide-replace-postfix.7": (followed) => {
    expect(outputOf(followed)).toContain("Delivered-To: webmaster@mail.example.org\n");
    expect(subjects(followed.mail.ann)).toEqual(["hello"]);
  },
  "guide-virtual-domains.7": ({ mail }) => {
    expect([subjects(mail.ann), subjects(mail.joe)]).toEqual([["question"], ["order"]]);
  },
  "guide-smarthost.7": ({ relayed, done }) => {
    expect(relayed).toBeGreaterThan(100);
    expect(done.at(-1)?.output).toBe("");
  },
  "guide-pop3.7": (followed) => expect(outputOf(followed)).toContain("Subject: pop3"),
  "guide-dot-qmail.7": ({ mail, done }) => {
    // ann forwards all of hers to joe, who is on the list himself.
    expect(subjects(mail.joe)).toEqual(["ann", "ann-chess", "ann-chess", "failure notice"]);
    expect(subjects(mail.ann)).toEqual(["ann", "ann-chess", "failure notice"]);
    expect(done.at(-1)?.output).toBe("ann@mail.example.org\n");
  },
};

test("every guide is followed, and has commands", () => {
  const guides = readdirSync(join(import.meta.dir, "../../man")).filter((page) => page.startsWith("guide-"));
  // The guides that consist of recipes are followed by the rows of test/interop, which recipes.test.ts sees to.
  const recipes = groups.flatMap(({ rows }) => rows.flatMap(({ recipe }) => recipe?.page ?? []));
  expect(guides.sort()).toEqual([...new Set([...Object.keys(ends), ...recipes])].sort());
  expect(guides.filter((page) => commandsOf(page).length < 4)).toEqual([]);
});

describe.skipIf(!possible)("guides (needs root, namespaces, gcc, useradd, setpriv and telnet)", () => {
  test.each(Object.entries(ends))("%s leads where it says", async (page, isSo) => {
    const followed = await follow(page);
    expect(followed.done.filter(({ code }) => code !== 0)).toEqual([]);
    isSo(followed);
  });
});
