/** checkpassword and the system's own accounts: needs root, for a passwd and a shadow file of the test's own. */
import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { bin, Scratch } from "../helpers/built.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";

const geheim =
  "$6$abcdefgh$msgktWxVAbjjh3X7lA5LaM7dS/ZfABJL6T4qcRsnjcOTj0kptUvZcrvrXIoO5fgPA9xz6UnF2To2Y7jGc/IZY/";
const people: readonly (readonly [name: string, shadow: string])[] = [
  ["ann", `${geheim}:19000:0:99999:7:::`],
  ["locked", `!${geheim}:19000:0:99999:7:::`],
  ["empty", ":19000:0:99999:7:::"],
  ["expired", `${geheim}:19000:0:99999:7::19000:`],
  ["later", `${geheim}:19000:0:99999:7::99999:`],
];
const able = canUnshare();

/** Runs checkpassword where only these people have accounts. */
async function check(name: string, password: string) {
  using scratch = new Scratch();
  chmodSync(scratch.path, 0o755);
  const accounts = people.map(([who], index) => `${who}:x:${4242 + index}:4200:${who}:/:/bin/sh\n`);
  scratch.write("passwd", `root:x:0:0:root:/:/bin/sh\n${accounts.join("")}`);
  scratch.write("shadow", people.map(([who, shadow]) => `${who}:${shadow}\n`).join(""), 0o600);
  scratch.write("group", "root:x:0:\nthose:x:4200:\nothers:x:4300:ann\n");
  scratch.write("login", `${name}\0${password}\0\0`);
  const mounts = ["passwd", "shadow", "group"].map(
    (file) => `mount --bind '${scratch.in(file)}' /etc/${file}`,
  );
  const command = `exec '${join(bin, "checkpassword")}' sh -c 'echo $(id -u) $(id -G) $USER $PWD' 3<'${scratch.in("login")}'`;
  const child = Bun.spawn([...unshare, "sh", "-ec", [...mounts, command].join("\n")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  const [stdout, stderr] = [await child.stdout.text(), await child.stderr.text()];
  return { code: await child.exited, stdout, stderr };
}

for (const [name, password, out] of [
  ["ann", "geheim", "4242 4200 4300 ann /\n"],
  ["later", "geheim", "4246 4200 later /\n"],
  ["ann", "falsch", undefined],
  ["ann", "", undefined],
  ["locked", "geheim", undefined],
  ["empty", "", undefined],
  ["expired", "geheim", undefined],
  ["nobody", "geheim", undefined],
] as const) {
  test.skipIf(!able)(`${name} with "${password}"${able ? "" : " (needs root and namespaces)"}`, async () => {
    const wanted = out === undefined ? { code: 1, stdout: "" } : { code: 0, stdout: out };
    expect(await check(name, password)).toEqual({ ...wanted, stderr: "" });
  });
}
