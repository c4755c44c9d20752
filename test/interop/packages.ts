/** Debian's packages that the rows need: their versions, and how they are put on this machine. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { Group } from "./rows/row.ts";
import { unpack, unpackable, unpackedVersion } from "./unpack.ts";

/** The version of a package, as Debian counts; undefined if it is not here. */
export function versionOf(group: Group, name: string): string | undefined {
  const { unpacked } = group;
  if (unpacked !== undefined && name === unpackable[unpacked][0]) return unpackedVersion(unpacked);
  if (Bun.which("dpkg-query") === null) return undefined;
  const found = Bun.spawnSync(["dpkg-query", "-W", name]);
  const [, version = ""] = found.stdout.toString().trim().split("\t");
  return version === "" ? undefined : version;
}

const policy = "/usr/sbin/policy-rc.d";

function apt(...words: string[]): void {
  const command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq", ...words];
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const result = Bun.spawnSync(command, { env: environment });
  if (result.exitCode !== 0) throw new Error(`apt-get ${words.join(" ")}: ${result.stderr.toString()}`);
}

/** Installs what these groups need; no service of a package starts. Mail systems are unpacked, not installed. */
export function install(groups: readonly Group[]): void {
  const replacing = groups.flatMap(({ unpacked }) => (unpacked === undefined ? [] : [unpacked]));
  const unpackedPackages = replacing.map((name): string => unpackable[name][0]);
  const wanted = new Set(
    groups.flatMap(({ rows }) =>
      rows.flatMap(({ packages, version }) => packages.slice(version === undefined ? 0 : 1)),
    ),
  );
  const own = !existsSync(policy);
  if (own) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    apt("update");
    const names = [...wanted].filter((name) => !unpackedPackages.includes(name));
    if (names.length > 0) apt("install", "-y", "--no-install-recommends", ...names);
  } finally {
    if (own) rmSync(policy);
  }
  for (const name of replacing) unpack(name);
}
