/**
 * Mail systems of Debian that would take the place of the machine's own if they were installed: they are unpacked into
 * a cache, each into a directory of its own, and only the namespaces of a test see them.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What can be unpacked: the packages of each; the first has the version. */
export const unpackable = {
  postfix: ["postfix"],
  exim: ["exim4-daemon-light", "exim4-base"],
  opensmtpd: ["opensmtpd"],
  nullmailer: ["nullmailer"],
} as const;

export type Unpacked = keyof typeof unpackable;

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "qmail-ts", "unpacked");

/** The directory that stands for the root of the file system with that package in it. */
export const placeOf = (name: Unpacked): string => join(cache, name);

/** Its version; undefined if it is not there. */
export function unpackedVersion(name: Unpacked): string | undefined {
  const file = join(placeOf(name), "version");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

function output(command: string[], cwd?: string): string {
  const result = Bun.spawnSync(command, cwd === undefined ? {} : { cwd });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr.toString().trim()}`);
  return result.stdout.toString();
}

/** The libraries that packages depend on and that this machine lacks. */
function librariesOf(packages: readonly string[]): string[] {
  const text = output(["apt-cache", "depends", "--no-recommends", "--no-suggests", ...packages]);
  const names = [...text.matchAll(/^ *Depends: (lib[^ \n]*)$/gm)].map(([, name = ""]) => name);
  return [...new Set(names)].filter(
    (name) => !Bun.spawnSync(["dpkg-query", "-s", name]).stdout.includes("install ok installed"),
  );
}

/** Takes a mail system from Debian and unpacks it, if it is not there yet. */
export function unpack(name: Unpacked): void {
  if (unpackedVersion(name) !== undefined) return;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, `${name}.`));
  try {
    const packages = [...unpackable[name], ...librariesOf(unpackable[name])];
    output(["apt-get", "download", "-qq", ...packages], work);
    for (const file of readdirSync(work).filter((entry) => entry.endsWith(".deb"))) {
      if (file.startsWith(`${unpackable[name][0]}_`))
        writeFileSync(join(work, "version"), output(["dpkg-deb", "-f", file, "Version"], work));
      output(["dpkg-deb", "-x", file, "."], work);
      rmSync(join(work, file));
    }
    output(["chmod", "0755", work]);
    renameSync(work, placeOf(name));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
