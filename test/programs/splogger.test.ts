/** splogger talking to a syslogd of ours, in a /dev of its own. */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { bin, Scratch } from "../helpers/built.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";

const devices = ["null", "zero", "urandom", "random", "tty"];

/** The entries syslogd gets for an input, without date; the stamp as S where it is the same as before, else N. */
async function entries(input: string, args: string[]): Promise<string[]> {
  using scratch = new Scratch();
  mkdirSync(scratch.in("dev"));
  let received = "";
  using _syslogd = Bun.listen({
    unix: scratch.in("dev/log"),
    socket: {
      data(_, bytes) {
        received += bytes.toString("latin1");
      },
    },
  });
  const mounts = devices.map((name) => {
    scratch.write(`dev/${name}`, "");
    return `mount --bind /dev/${name} '${scratch.in("dev", name)}'`;
  });
  const script = [...mounts, `mount --rbind '${scratch.in("dev")}' /dev`, 'exec "$0" "$@"'].join(" && ");
  const child = Bun.spawn([...unshare, "sh", "-c", script, `${bin}/splogger`, ...args], {
    stdin: Buffer.from(input, "latin1"),
  });
  expect(await child.exited).toBe(0);
  await Bun.sleep(50);
  let last = "";
  return received
    .split("\0")
    .slice(0, -1)
    .map((entry) =>
      entry.replace(/^(<\d+>).{15} /, "$1").replace(/\d{10}\.\d{6}/, (stamp) => {
        const word = stamp === last ? "S" : "N";
        last = stamp;
        return word;
      }),
    );
}

const a = (count: number): string => "a".repeat(count);
/** Arguments, input, entries. The number in front is 8 times the facility, plus the priority. */
const rows: readonly (readonly [string[], string, string[]])[] = [
  [[], "hello\n\n", ["<22>splogger: N hello"]],
  [
    ["qmail"],
    "warning: w\nalert: a\nstatus: s\n",
    ["<20>qmail: N warning: w", "<17>qmail: N alert: a", "<22>qmail: N status: s"],
  ],
  [["t", "17"], "100%s%n \xe9\n", ["<142>t: N 100%s%n ?"]],
  [["t"], `alert: ${a(792)}${a(799)}b\n`, [`<17>t: N alert: ${a(792)}`, `<17>t: S+${a(799)}`, "<17>t: S+b"]],
  [["t"], "the end", ["<22>t: N the end"]],
];
for (const [args, input, expected] of rows) {
  test.skipIf(!canUnshare())(`${JSON.stringify(input.slice(0, 20))} (needs root)`, async () => {
    expect(await entries(input, args)).toEqual(expected);
  });
}
