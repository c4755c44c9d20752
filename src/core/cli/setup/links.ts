/** Outside the home, and only on request: the link by which other programs send mail, and units of systemd. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { standardHome } from "../../sys/home.ts";
import { executables } from "../executables.ts";
import { placeFile } from "../place.ts";
import { attempt } from "../trouble.ts";
import { lookAt, type Site, type Steps } from "./step.ts";

const sendmail = `${standardHome}/bin/sendmail`;
const sendmailNames = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
const suffix = ".before-qmail";

/** The names under which programs expect sendmail. Another mail system's program is kept beside it. */
export function* sendmailSteps(site: Site): Steps {
  for (const name of sendmailNames) {
    const path = `${site.prefix}${name}`;
    const found = lookAt(path);
    if (found?.isSymbolicLink() && attempt(`read link ${path}`, () => readlinkSync(path)) === sendmail)
      continue;
    const kept = found === undefined ? undefined : `${path}${suffix}`;
    yield {
      words: `link ${path} to ${sendmail}${kept === undefined ? "" : `, and keep what was there as ${kept}`}`,
      run: () => placeSendmail(path, kept),
    };
  }
}

function placeSendmail(path: string, kept: string | undefined): void {
  attempt(`link ${path} to ${sendmail}`, () => {
    mkdirSync(dirname(path), { recursive: true });
    const fresh = `${path}.${process.pid}.tmp`;
    rmSync(fresh, { force: true });
    symlinkSync(sendmail, fresh);
    if (kept !== undefined) renameSync(path, kept);
    renameSync(fresh, path);
  });
}

const unitDirectory = "/etc/systemd/system";

/** The units, where none of that name is there: who has changed one keeps it. */
export function* unitSteps(site: Site): Steps {
  const source = join(dirname(executables()), "service/systemd");
  const target = `${site.prefix}${unitDirectory}`;
  const units = attempt(`read directory ${source}`, () => readdirSync(source).sort());
  for (const name of units.filter((name) => lookAt(join(target, name)) === undefined))
    yield {
      words: `write ${target}/${name}`,
      run: () => {
        attempt(`make directory ${target}`, () => mkdirSync(target, { recursive: true }));
        placeFile(
          join(target, name),
          attempt(`read ${source}/${name}`, () => readFileSync(join(source, name), "utf8")),
        );
      },
    };
}

/** Units that are there and are not ours, or not those of this version. */
export function changedUnits(site: Site): string[] {
  const source = join(dirname(executables()), "service/systemd");
  return readdirSync(source)
    .map((name) => [`${site.prefix}${unitDirectory}/${name}`, join(source, name)] as const)
    .filter(([there]) => lstatSync(there, { throwIfNoEntry: false })?.isFile() === true)
    .filter(([there, ours]) => readFileSync(there, "utf8") !== readFileSync(ours, "utf8"))
    .map(([there]) => there);
}
