/** The built qmail-start: what each daemon gets, shown by programs in their places. */
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { bin, Scratch } from "../helpers/built.ts";
import { PrivateHome, readProcess, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";

/** A home whose daemons write down how they were started and then copy their input to their output file. */
function home(): Scratch {
  const scratch = new Scratch();
  for (const name of ["qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"]) {
    const out = scratch.in(`${name}.out`);
    const rest =
      name === "qmail-send"
        ? "echo logged >&0; echo to-local >&1; echo to-remote >&3; echo to-clean >&5"
        : `cat >'${out}.unfinished'; mv '${out}.unfinished' '${out}.input'`;
    const script = [
      "#!/bin/sh",
      "links=$(for fd in 0 1 2 3 4 5 6; do readlink /proc/$$/fd/$fd; done)",
      `{ echo "$$ $0 $*"; pwd; umask; echo "$SEEN$QMAILSENDCLEANS"; echo "$links"; } >'${out}.tmp'`,
      `mv '${out}.tmp' '${out}'`,
      rest,
    ];
    scratch.write(`bin/${name}`, `${script.join("\n")}\n`, 0o755);
  }
  return scratch;
}

async function start(
  scratch: Scratch,
  args: string[],
): Promise<{ pid: number; stdout: string; code: number }> {
  mkdirSync(scratch.in("start"));
  symlinkSync(join(bin, "qmail-start"), scratch.in("start/qmail-start"));
  const child = Bun.spawn([scratch.in("start/qmail-start"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { QMAILHOME: scratch.path, PATH: "/usr/bin:/bin", SEEN: "by all", QMAILSENDCLEANS: "1" },
  });
  const stdout = await new Response(child.stdout).text();
  return { pid: child.pid, stdout, code: await child.exited };
}

async function report(scratch: Scratch, name: string): Promise<string[]> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      return scratch.read(name).split("\n");
    } catch {
      await Bun.sleep(10);
    }
  }
  throw new Error(`${name} never appeared`);
}

const isPipe = /^(pipe|socket):\[\d+\]$/;

test("it becomes qmail-send; pipes lead where they should", async () => {
  using scratch = home();
  const { pid, stdout, code } = await start(scratch, []);
  expect({ stdout, code }).toEqual({ stdout: "logged\n", code: 0 });
  const send = await report(scratch, "qmail-send.out");
  expect(send[0]).toStartWith(`${pid} `);
  expect(send.slice(1, 4)).toEqual(["/", "0077", "by all"]);
  for (const target of send.slice(4, 11)) expect(target).toMatch(isPipe);
  const partners = [
    ["qmail-lspawn", 1, 2, "to-local"],
    ["qmail-rspawn", 3, 4, "to-remote"],
    ["qmail-clean", 5, 6, "to-clean"],
  ] as const;
  for (const [name, to, from, words] of partners) {
    const seen = await report(scratch, `${name}.out`);
    expect(seen.slice(1, 4)).toEqual(["/", "0077", "by all"]);
    expect([seen[4], seen[5]]).toEqual([send[4 + to], send[4 + from]]);
    expect(seen[6]).toBe("/dev/null");
    expect(await report(scratch, `${name}.out.input`)).toContain(words);
  }
  expect((await report(scratch, "qmail-lspawn.out"))[0]).toEndWith("qmail-lspawn ./Mailbox");
});

test("default delivery and logger", async () => {
  using scratch = home();
  const { stdout } = await start(scratch, ["|preline x\ny", "sh", "-c", 'sed "s/^/$1: /"', "name", "log"]);
  expect(stdout).toBe("log: logged\n");
  expect((await report(scratch, "qmail-lspawn.out")).slice(0, 2).join("\n")).toEndWith(
    "qmail-lspawn |preline x\ny",
  );
});

test("a logger that cannot be started does not keep mail from running", async () => {
  using scratch = home();
  const { stdout } = await start(scratch, ["./Mailbox", "/no/such/logger"]);
  expect(stdout).toBe("");
  expect(await report(scratch, "qmail-clean.out.input")).toContain("to-clean");
});

test("in a private home of our programs, qmail-send alone is told to remove files by itself", async () => {
  const home = new PrivateHome();
  try {
    const daemons = home.start();
    const told = (name: string): boolean[] =>
      daemons
        .processes()
        .filter((pid) => readProcess(pid, "cmdline")?.split("\0")[0]?.endsWith(name))
        .map((pid) => readProcess(pid, "environ")?.includes("\0QMAILSENDCLEANS=1\0") === true);
    const names = ["qmail-send", "qmail-clean", "qmail-lspawn", "qmail-rspawn"];
    await until(patience, () => names.every((name) => told(name).length > 0));
    expect(names.map((name) => told(name))).toEqual([[true], [false], [false], [false]]);
  } finally {
    await home.remove();
  }
});

test("without qmail-send it ends with 111 and says nothing", async () => {
  using scratch = home();
  await Bun.file(scratch.in("bin/qmail-send")).delete();
  expect(await start(scratch, [])).toMatchObject({ stdout: "", code: 111 });
});
