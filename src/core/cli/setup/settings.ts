/** The first settings of a new installation. Where there is a control/me somebody has decided already, and all of it stays. */
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { controlFiles } from "../host.ts";
import { replaceFile } from "../place.ts";
import { attempt } from "../trouble.ts";
import { givesOwners, lookAt, own, type Site, type Steps } from "./step.ts";
import { idsOf } from "./tree.ts";

/** The addresses that every host has to have (RFC 2142; envelopes(5)). */
const needed = ["mailer-daemon", "postmaster", "root"];

/** The control files, the addresses of the alias user, and the script that starts it all. control/me comes last: it says that this is done. */
export function* settingSteps(site: Site, host: string, postmaster: string | undefined): Steps {
  yield* maildirSteps(join(site.home, "alias/Maildir"));
  const me = join(site.home, "control/me");
  if (lookAt(me) === undefined) {
    yield* aliasSteps(site, postmaster);
    const { me: content, ...others } = controlFiles(host);
    for (const [name, text] of Object.entries({ ...others, me: content ?? `${host}\n` })) {
      const path = join(site.home, "control", name);
      if (lookAt(path) !== undefined) continue;
      yield {
        words: `write ${path}: ${text.trim().replaceAll("\n", ", ")}`,
        run: () => replaceFile(path, text),
      };
    }
  }
  const rc = join(site.home, "rc");
  if (lookAt(rc) === undefined)
    yield {
      words: `write ${rc}, which starts the mail system`,
      run: () => replaceFile(rc, startScript, 0o755),
    };
}

const alias = { owner: "alias", group: "nofiles", mode: 0o700 } as const;
const maildirParts = ["", "tmp", "new", "cur"];

/** In a staging tree it may have been made without the alias user. */
function* maildirSteps(path: string): Steps {
  if (lookAt(path)?.isDirectory() !== true) return;
  const roots = maildirParts.map((part) => join(path, part)).filter((part) => lookAt(part)?.uid === 0);
  if (!givesOwners() || idsOf(alias).uid === undefined || roots.length === 0) return;
  yield {
    words: `give ${path} to ${alias.owner}:${alias.group}`,
    run: () => {
      for (const part of roots) own(part, alias);
    },
  };
}

/** Mail that nobody else gets is kept in a Maildir of the alias user, until somebody says where it goes. */
function* aliasSteps(site: Site, postmaster: string | undefined): Steps {
  const home = join(site.home, "alias");
  const text = postmaster === undefined ? "" : `&${postmaster}\n`;
  const where = postmaster ?? "alias/Maildir";
  const taken = lookAt(home) === undefined ? [] : attempt(`read directory ${home}`, () => readdirSync(home));
  if (!taken.includes("Maildir"))
    yield {
      words: `make the Maildir ${home}/Maildir of the alias user`,
      run: () => makeMaildir(home),
    };
  for (const name of needed.filter((name) => !taken.includes(`.qmail-${name}`))) {
    const path = join(home, `.qmail-${name}`);
    yield {
      words: `write ${path}: mail for ${name} goes to ${where}`,
      run: () => replaceFile(path, text, 0o644, givesOwners() ? idsOf(alias).gid : undefined),
    };
  }
}

function makeMaildir(home: string): void {
  const fresh = join(home, ".Maildir.tmp");
  attempt(`make ${home}/Maildir`, () => rmSync(fresh, { recursive: true, force: true }));
  for (const part of maildirParts) {
    attempt(`make ${home}/Maildir`, () => mkdirSync(join(fresh, part)));
    own(join(fresh, part), alias);
  }
  attempt(`make ${home}/Maildir`, () => renameSync(fresh, join(home, "Maildir")));
}

/** As qmail's own: a clean environment, and a Maildir for who has no .qmail file. Arguments are the logger. */
const startScript = `#!/bin/sh
# Starts the mail system; it runs until it gets SIGTERM. Mail for users without a .qmail file goes to ./Maildir/. The
# log goes to descriptor 1, or, with arguments, to the program they name: rc splogger qmail. See qmail-start(8).
exec env - PATH="/var/qmail/bin:/usr/local/bin:/usr/bin:/bin" \\
  qmail-start ./Maildir/ "$@"
`;
