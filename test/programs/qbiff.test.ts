/** qbiff and the terminals, in a file system of its own. */
import { expect, test } from "bun:test";
import { bin, Scratch } from "../helpers/built.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { utmpRecord } from "../helpers/utmp.ts";

const message = `Subject: Lunch\ttoday?\nFrom: ann@x\n\nThe usual \xe9 place,\n${"at noon. ".repeat(20_000)}\n`;

/** Terminal; its mode and owner; whether it is written to. */
const terminals: readonly (readonly [string, string, string, boolean])[] = [
  ["wanted", "0700", "root", true],
  ["pts0/x", "0720", "root", true],
  ["unwanted", "0600", "root", false],
  ["foreign", "0700", "nobody", false],
  ["other.d", "0700", "root", false],
];

test.skipIf(!canUnshare())("qbiff writes to its user's terminals that want it (needs root)", () => {
  using scratch = new Scratch();
  const records = [
    ...terminals.map(([name]) => utmpRecord(7, name, "joe")),
    utmpRecord(7, "/dev/wanted", "joe"),
    utmpRecord(7, "absent", "joe"),
    utmpRecord(7, "ann", "ann"),
  ];
  scratch.write("utmp", Buffer.concat(records));
  scratch.write("message", Buffer.from(message, "latin1"));
  const script = [
    "set -e",
    "mount -t tmpfs tmpfs /dev; mkdir /dev/pts0; : >/dev/null; : >/dev/ann; chmod 700 /dev/ann",
    "run=$(readlink -f /var/run); mount -t tmpfs tmpfs $run",
    `cp ${scratch.in("utmp")} $run/utmp`,
    ...terminals.map(
      ([name, mode, owner]) => `: >/dev/${name}; chmod ${mode} /dev/${name}; chown ${owner} /dev/${name}`,
    ),
    `USER=joe SENDER='s\u0007@t' LOCAL=joe-x ${bin}/qbiff <${scratch.in("message")}`,
    "cd /dev; for file in $(find . -type f -size +0); do echo $file; cat $file; done; test ! -e absent",
  ].join("\n");
  const result = Bun.spawnSync([...unshare, "/bin/sh", "-c", script], { stderr: "pipe" });
  const text = "    Lunch/today?//The usual / place,/at noon. at noon. "
    .padEnd(200, "at noon. ")
    .slice(0, 78);
  const notice = `\r\n\u0007*** TO <joe-x> FROM <s_@t>\r\n${text}\r\n`;
  const written = terminals.filter(([, , , wanted]) => wanted).map(([name]) => `./${name}\n${notice}`);
  expect(result.stderr.toString()).toBe("");
  expect(result.exitCode).toBe(0);
  const output = result.stdout.toString("latin1");
  expect(output.length).toBe(written.join("").length);
  for (const part of written) expect(output).toContain(part);
});
