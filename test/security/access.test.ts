/** Who can reach which files and processes of a running system-wide qmail. Needs root, namespaces, gcc, useradd, python3. */
import { beforeAll, describe, expect, test } from "bun:test";
import { type Access, observed, type Table, users } from "./access.ts";
import { needs, possible } from "./machine.ts";

/** r read, w write, l list, c create and remove files. What is not here nobody could do but root. */
const files = `
                        qmaild  qmailr  qmails  qmailq  qmaill  qmailp  alias   joe     ann
queue/                  -       l       l       lc      -       -       -       -       -
queue/pid/              -       -       -       lc      -       -       -       -       -
queue/mess/             -       l       l       lc      -       -       -       -       -
queue/intd/             -       -       -       lc      -       -       -       -       -
queue/todo/             -       l       l       lc      -       -       -       -       -
queue/info/             -       -       lc      -       -       -       -       -       -
queue/local/            -       -       lc      -       -       -       -       -       -
queue/remote/           -       -       lc      -       -       -       -       -       -
queue/bounce/           -       -       lc      -       -       -       -       -       -
queue/lock/             -       l       l       lc      -       -       -       -       -
queue/ask/              -       -       lc      -       -       -       -       -       -
queue/hold/             -       -       lc      -       -       -       -       -       -
queue/mess/0/           -       l       l       lc      -       -       -       -       -
queue/mess/N/ID         -       r       r       rw      -       -       -       -       -
queue/intd/ID           -       -       -       rw      -       -       -       -       -
queue/todo/ID           -       r       r       rw      -       -       -       -       -
queue/info/N/ID         -       -       rw      -       -       -       -       -       -
queue/remote/N/ID       -       -       rw      -       -       -       -       -       -
queue/lock/sendmutex    -       -       rw      -       -       -       -       -       -
queue/lock/tcpto        -       rw      r       r       -       -       -       -       -
queue/lock/trigger      -       w       rw      w       -       -       -       -       -
bin/                    l       l       l       l       l       l       l       l       l
bin/qmail-queue         -       -       -       rw      -       -       -       -       -
bin/qmail-ts            r       r       r       r       r       r       r       r       r
control/                l       l       l       l       l       l       l       l       l
control/me              r       r       r       r       r       r       r       r       r
users/                  l       l       l       l       l       l       l       l       l
users/poppasswd         -       -       -       -       -       -       -       -       -
alias/                  l       l       l       l       l       l       lc      l       l
alias/.qmail-root       r       r       r       r       r       r       r       r       r
alias/Maildir/new/      -       -       -       -       -       -       lc      -       -
rc                      r       r       r       r       r       r       r       r       r
log                     -       -       -       -       rw      -       -       -       -
log/                    -       -       -       -       lc      -       -       -       -
ann's home/             l       l       l       l       l       l       l       l       lc
ann's .qmail-secret     -       -       -       -       -       -       -       -       rw
ann's Maildir/new/      -       -       -       -       -       -       -       -       lc
ann's mail              -       -       -       -       -       -       -       -       rw
ann's mbox              -       -       -       -       -       -       -       -       rw
/etc/shadow             -       -       -       -       -       -       -       -       -
`;

/** e environment, f descriptors, m read memory, M write memory, t trace, k signal. */
const processes = `
                            qmaild  qmailr  qmails  qmailq  qmaill  qmailp  alias   joe     ann
qmail-send                  -       -       efmMtk  -       -       -       -       -       -
qmail-lspawn                -       -       -       -       -       -       -       -       -
qmail-rspawn                -       k       -       -       -       -       -       -       -
qmail-clean                 -       -       -       k       -       -       -       -       -
logger                      -       -       -       -       efmMtk  -       -       -       -
qmail-smtpd --listen        k       -       -       -       -       -       -       -       -
its qmail-queue --resident  k       -       -       k       -       -       -       -       -
qmail-popup --listen        -       -       -       -       -       -       -       -       -
ann's qmail-pop3d           -       -       -       -       -       -       -       -       k
ann's warm qmail-local      -       -       -       -       -       -       -       -       k
ann's qmail-local           -       -       -       -       -       -       -       -       k
ann's program               -       -       -       -       -       -       -       -       efmMtk
`;

/** The rows of a table as they stand above. */
function rowsOf(text: string): (readonly [string, string])[] {
  return text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => /^(.*?) {2,}(.*)$/.exec(line.trimEnd()))
    .map((found) => [found?.[1] ?? "", (found?.[2] ?? "").replace(/ +/g, " ")]);
}

const shown = (row: Table[string] | undefined): string => users.map((user) => row?.[user] ?? "-").join(" ");

/** Where a daemon's descriptors lead; numbers of messages and of descriptors apart. */
const message = "/var/qmail/queue/mess/N";
const open: Readonly<Record<string, readonly string[]>> = {
  "qmail-send": [
    "/var/qmail/queue/lock/sendmutex",
    "/var/qmail/queue/lock/trigger",
    "/var/qmail/queue/lock/trigger",
  ],
  "qmail-lspawn": [message],
  "qmail-rspawn": [],
  "qmail-clean": [],
  logger: ["/var/log/qmail-send/current"],
  "qmail-smtpd --listen": [],
  "its qmail-queue --resident": ["/var/qmail/queue/pid"],
  "qmail-popup --listen": [],
  "ann's qmail-pop3d": [],
  "ann's warm qmail-local": [],
  "ann's qmail-local": [message],
  "ann's program": [message],
};

/** What qmail-local tells a program (qmail-command(8)); PATH is rc's, and PWD is the shell's. */
const variables =
  "DTLINE EXT EXT2 EXT3 EXT4 HOME HOST HOST2 HOST3 HOST4 LOCAL NEWSENDER PATH PWD RECIPIENT RPLINE SENDER UFLINE USER";

describe.skipIf(!possible())(`access (${needs})`, () => {
  let seen: Access;
  beforeAll(async () => {
    seen = await observed();
  });

  test.each(rowsOf(files))("files: %s: %s", (name, row) => expect(shown(seen.files[name])).toBe(row));
  test("files: nothing else was tried", () => {
    expect(Object.keys(seen.files)).toEqual(rowsOf(files).map(([name]) => name));
  });
  test.each(rowsOf(processes))("processes: %s: %s", (name, row) =>
    expect(shown(seen.processes[name])).toBe(row),
  );
  test("processes: nothing else was tried", () => {
    expect(Object.keys(seen.processes)).toEqual(rowsOf(processes).map(([name]) => name));
  });
  test.each(Object.entries(open))("descriptors of %s that lead to files: %p", (name, paths) => {
    expect(seen.open[name]).toEqual([...paths]);
  });

  test("a program in .qmail has the message, its output, and nothing of qmail's", () => {
    const names = seen.program.descriptors.map((line) => line.replace(/ \S*\/look$/, " look"));
    // 3 is the directory that ls lists.
    expect(names).toEqual(["0 /var/qmail/queue/mess/N/N", "1 look", "2 pipe:N", "3 /proc/N/fd"]);
    expect(seen.program.variables.join(" ")).toBe(variables);
  });
  test("a program in .qmail is its user alone, with signals as a login has them", () => {
    const nothing = "0000000000000000";
    expect(seen.program.status).toEqual({
      ...{ Uid: "1009 1009 1009 1009", Gid: "1009 1009 1009 1009", Groups: "1009" },
      ...{ SigPnd: nothing, SigBlk: nothing, SigIgn: nothing },
      ...{ CapInh: nothing, CapPrm: nothing, CapEff: nothing, CapAmb: nothing },
    });
    expect([seen.program.place.endsWith("/ann"), seen.program.mask]).toEqual([true, "0077"]);
  });
  test("nothing is left over from one delivery to the next", () => {
    const later = {
      ...seen.again,
      descriptors: seen.again.descriptors.map((line) => line.replace("/again", "/look")),
    };
    expect(later).toEqual(seen.program);
    // An mbox, and Maildirs before and after a forward, by one warm process.
    expect(seen.delivered).toEqual(Array(4).fill("600 1009:1009"));
  });

  test("qmail check finds nothing wrong while all of it runs", () => expect(seen.check).toBe(0));
});
