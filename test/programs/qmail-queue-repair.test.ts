/** qmail queue repair: each kind of damage is found, told, mended, and the messages are delivered. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { host, PrivateHome, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { run } from "../scenarios/home.ts";

setDefaultTimeout(900_000);

const homes: PrivateHome[] = [];
afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
});

/** How many messages each home has, for joe. */
const messages = 6;

/** A home whose messages wait: preprocessed, or not yet. Nothing runs. */
async function waiting(preprocessed: boolean): Promise<PrivateHome> {
  const home = new PrivateHome();
  homes.push(home);
  for (let number = 0; number < messages; number++) inject(home, number);
  if (preprocessed) {
    writeFileSync(join(home.path, "control/concurrencylocal"), "0\n");
    const daemons = home.start();
    expect(await until(patience, () => files(home, "todo").length === 0)).toBe(true);
    daemons.signal("SIGTERM");
    await daemons.ended();
    unlinkSync(join(home.path, "control/concurrencylocal"));
  }
  return home;
}

function inject(home: PrivateHome, number: number): void {
  const child = Bun.spawnSync([home.program("qmail-inject"), "-fsender@test.example", `joe@${host}`], {
    stdin: Buffer.from(`Subject: number ${number}\n\nHello.\n`),
    env: home.environment,
  });
  expect(child.exitCode).toBe(0);
}

const queue = (home: PrivateHome, ...path: string[]): string => join(home.path, "queue", ...path);

/** The files of a directory of the queue, relative to it. */
function files(home: PrivateHome, directory: string): string[] {
  return (
    readdirSync(queue(home, directory), {
      recursive: true,
      withFileTypes: true,
    }) as import("node:fs").Dirent[]
  )
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(queue(home).length + 1))
    .sort();
}

/** The path of one of the messages in a directory. */
const one = (home: PrivateHome, directory: string, which = 0): string => {
  const found = files(home, directory)[which];
  if (found === undefined) throw new Error(`there is no file ${which} in ${directory}`);
  return queue(home, found);
};

const repair = (home: PrivateHome, ...words: string[]) =>
  run([home.program("qmail"), "queue", "repair", ...words], { environment: home.environment });

/** Whether no message is left; what was put aside stays. */
const isEmpty = (home: PrivateHome): boolean =>
  ["todo", "info", "local", "remote", "bounce"].every((directory) => files(home, directory).length === 0);

/** Starts the daemons and waits until all messages, or so many, are in the mailbox; whose numbers are in order. */
async function deliverAll(home: PrivateHome, count = messages): Promise<void> {
  home.start();
  expect(await until(patience, () => home.delivered().length >= count && isEmpty(home))).toBe(true);
  const subjects = home
    .delivered()
    .map((path) => /^Subject: number (\d+)$/m.exec(readFileSync(path, "latin1"))?.[1]);
  expect(subjects.filter((subject) => subject !== undefined).sort()).toEqual(
    Array.from({ length: count }, (_, number) => String(number)),
  );
}

/** A copy in the place of the queue: every file gets another inode number. */
function copyQueue(home: PrivateHome): void {
  const result = Bun.spawnSync(["cp", "-a", queue(home), join(home.path, "copy")]);
  expect(result.exitCode).toBe(0);
  rmSync(queue(home), { recursive: true });
  renameSync(join(home.path, "copy"), queue(home));
}

/** Exchanges the numbers of messages, in a ring. */
function rotate(home: PrivateHome): void {
  const ids = files(home, "mess").map((path) => basename(path));
  const next = new Map(ids.map((id, index) => [id, ids[(index + 1) % ids.length] ?? id]));
  for (const directory of ["mess", "info", "local", "remote", "intd", "todo"]) {
    const found = files(home, directory);
    for (const path of found) renameSync(queue(home, path), queue(home, `${path}.away`));
    for (const path of found) {
      const id = next.get(basename(path)) ?? "";
      const isSplit = dirname(path) !== directory;
      renameSync(
        queue(home, `${path}.away`),
        isSplit ? queue(home, directory, String(BigInt(id) % 23n), id) : queue(home, directory, id),
      );
    }
  }
}

interface Row {
  damage: string;
  /** Preprocessed, not yet, or both. */
  when: readonly boolean[];
  harm: (home: PrivateHome) => void;
  finding: RegExp;
  /** How many messages are delivered in spite of it. */
  delivered?: number;
}

const both = [false, true];

const rows: readonly Row[] = [
  {
    damage: "a copy: every message has another inode number",
    when: both,
    harm: copyQueue,
    finding: /^mess\/\d+\/(\d+) is file (\d+): message \1 becomes \2$/m,
  },
  {
    damage: "numbers exchanged in a ring",
    when: both,
    harm: rotate,
    finding: /^mess\/\d+\/(\d+) is file (\d+): message \1 becomes \2$/m,
  },
  {
    damage: "a folder of mess is missing",
    when: both,
    harm: (home) => {
      const free = readdirSync(queue(home, "mess")).find(
        (name) => readdirSync(queue(home, "mess", name)).length === 0,
      );
      rmdirSync(queue(home, "mess", free ?? ""));
    },
    finding: /^mess\/\d+ is missing$/m,
  },
  {
    damage: "whole directories are missing",
    when: [false],
    harm: (home) => {
      for (const name of ["info", "local", "remote", "bounce", "pid"])
        rmSync(queue(home, name), { recursive: true });
    },
    finding: /^info\/22 is missing$/m,
  },
  {
    damage: "one folder too many, with a message in it",
    when: both,
    harm: (home) => {
      mkdirSync(queue(home, "mess/23"));
      const path = one(home, "mess");
      renameSync(path, queue(home, "mess/23", basename(path)));
    },
    finding: /^mess\/23\/\d+ belongs into mess\/\d+$/m,
  },
  {
    damage: "a message in the wrong folders",
    when: [true],
    harm: (home) => {
      for (const directory of ["mess", "info", "local"]) {
        const path = one(home, directory);
        const folder = (Number(basename(dirname(path))) + 1) % 23;
        renameSync(path, queue(home, directory, String(folder), basename(path)));
      }
    },
    finding: /^info\/\d+\/\d+ belongs into info\/\d+$/m,
  },
  {
    damage: "files that belong to no message",
    when: both,
    harm: (home) => {
      for (const path of ["info/0/2300", "local/0/2300", "remote/1/2301", "bounce/99", "intd/98", "todo/97"])
        writeFileSync(queue(home, path), "Fx@y\0", { mode: 0o600 });
    },
    finding: /^todo\/97 belongs to no message: to lost$/m,
  },
  {
    damage: "files and links that are none of the queue's",
    when: both,
    harm: (home) => {
      writeFileSync(queue(home, "mess/core"), "");
      writeFileSync(queue(home, "info/3/note"), "");
      symlinkSync("/etc/passwd", queue(home, "todo/55"));
      mkdirSync(queue(home, "bounce/56"));
    },
    finding: /^todo\/55 is no file of a message: to lost$/m,
  },
  {
    damage: "modes",
    when: both,
    harm: (home) => {
      chmodSync(one(home, "mess"), 0o600);
      chmodSync(one(home, "mess", 1), 0);
      chmodSync(queue(home, "local/3"), 0o777);
      chmodSync(queue(home, "lock/trigger"), 0o600);
    },
    finding: /^mess\/\d+\/\d+ has mode 00 instead of 0644$/m,
  },
  {
    damage: "nothing is in lock",
    when: both,
    harm: (home) => {
      for (const name of readdirSync(queue(home, "lock"))) unlinkSync(queue(home, "lock", name));
    },
    finding: /^lock\/sendmutex is missing$/m,
  },
  {
    damage: "a new envelope was torn, its first copy was not",
    when: [false],
    harm: (home) => {
      const path = one(home, "todo");
      const content = readFileSync(path);
      unlinkSync(path);
      writeFileSync(path, content.subarray(0, 12));
    },
    finding: /^todo\/\d+ is no complete envelope: taken from intd\/\d+$/m,
  },
  {
    damage: "a sender is lost",
    when: [true],
    harm: (home) => unlinkSync(one(home, "info")),
    finding: /^info\/\d+\/\d+ is missing, local\/\d+\/\d+ not: message \d+ is from <> now$/m,
  },
  {
    damage: "an info file is empty",
    when: [true],
    harm: (home) => writeFileSync(one(home, "info"), ""),
    finding: /^info\/\d+\/\d+ names no sender: message \d+ is from <> now$/m,
  },
  {
    damage: "a list of recipients has something else in it",
    when: [true],
    harm: (home) => {
      const path = one(home, "local");
      writeFileSync(path, `?what\0${readFileSync(path, "latin1")}`);
    },
    finding: /^local\/\d+\/\d+ has a record that is no recipient: "\?what" is left out$/m,
  },
  {
    damage: "the message itself is lost",
    when: both,
    harm: (home) => {
      const last = files(home, "mess").find((path) =>
        readFileSync(queue(home, path), "latin1").includes(`number ${messages - 1}\n`),
      );
      unlinkSync(queue(home, last ?? ""));
    },
    finding: /^(todo|info\/\d+)\/\d+ belongs to no message: to lost$/m,
    delivered: messages - 1,
  },
];

for (const { damage, when, harm, finding, delivered } of rows) {
  for (const preprocessed of when) {
    test(`${damage}, ${preprocessed ? "preprocessed" : "new"} messages`, async () => {
      const home = await waiting(preprocessed);
      harm(home);
      const before = home.queued();
      const dry = await repair(home, "--dry-run");
      expect(dry).toMatchObject({ code: 0, stderr: "" });
      expect(dry.stdout).toEndWith("to be mended; nothing was changed\n");
      expect(home.queued()).toEqual(before);
      const outcome = await repair(home);
      expect(outcome).toMatchObject({ code: 0, stderr: "" });
      expect(outcome.stdout).toMatch(finding);
      expect(await repair(home)).toEqual({ code: 0, stderr: "", stdout: "the queue is in order\n" });
      await deliverAll(home, delivered);
    });
  }
}

test("a sound queue is left as it is", async () => {
  const home = await waiting(true);
  const before = home.queued().map((path) => `${path} ${lstatSync(path).mtimeMs} ${lstatSync(path).ctimeMs}`);
  expect(await repair(home)).toEqual({ code: 0, stderr: "", stdout: "the queue is in order\n" });
  expect(
    home.queued().map((path) => `${path} ${lstatSync(path).mtimeMs} ${lstatSync(path).ctimeMs}`),
  ).toEqual(before);
});

test("what belongs to no message can still be read", async () => {
  const home = await waiting(false);
  writeFileSync(queue(home, "info/0/2300"), "Fx@y\0");
  await repair(home);
  writeFileSync(queue(home, "info/0/2300"), "Fz@y\0");
  await repair(home);
  expect(readFileSync(queue(home, "lost/info.0.2300"), "latin1")).toBe("Fx@y\0");
  expect(readFileSync(queue(home, "lost/info.0.2300.2"), "latin1")).toBe("Fz@y\0");
});

test("files in pid that nobody has written to for 36 hours are removed, younger ones not", async () => {
  const home = await waiting(false);
  for (const name of ["old", "young"]) writeFileSync(queue(home, "pid", name), "half a message");
  const then = Date.now() / 1000 - 37 * 3600;
  utimesSync(queue(home, "pid/old"), then, then);
  expect((await repair(home)).stdout).toContain("pid/old was never accepted");
  expect(readdirSync(queue(home, "pid"))).toEqual(["young"]);
});

test("a new envelope of which nothing is whole needs a person", async () => {
  const home = await waiting(false);
  writeFileSync(one(home, "todo"), "u1");
  const outcome = await repair(home);
  expect(outcome.code).toBe(111);
  expect(outcome.stdout).toMatch(
    /is no complete envelope, and there is no other of message \d+\n0 mended, 1 to be/,
  );
});

test("held messages are held in the copy as well, even where times have lost their fractions", async () => {
  const home = await waiting(true);
  home.run("qmail", "queue", "hold", "--all");
  copyQueue(home);
  for (const path of files(home, "mess")) {
    const seconds = Math.floor(statSync(queue(home, path)).mtimeMs / 1000);
    utimesSync(queue(home, path), seconds, seconds);
  }
  expect((await repair(home)).stdout).toMatch(/^hold\/\d+ has a time that mess\/\d+\/\d+ has lost$/m);
  home.start();
  await Bun.sleep(1000);
  expect(home.delivered()).toEqual([]);
  home.run("qmail", "queue", "release", "--all");
  await deliverAll(home);
});

test("--split: another number of folders, and back", async () => {
  const home = await waiting(true);
  expect((await repair(home, "--split", "5")).code).toBe(0);
  for (const kind of ["mess", "info", "local", "remote"])
    expect(readdirSync(queue(home, kind)).sort()).toEqual(["0", "1", "2", "3", "4"]);
  expect((await repair(home)).stdout).toBe("the queue is in order\n");
  expect((await repair(home, "--split", "40")).code).toBe(0);
  expect(readdirSync(queue(home, "info"))).toHaveLength(40);
  await deliverAll(home);
});

test("while qmail-send runs it is refused, and nothing is changed", async () => {
  const home = await waiting(false);
  writeFileSync(queue(home, "bounce/77"), "");
  home.start();
  expect(
    await until(patience, () => readFileSync(join(home.path, "log"), "latin1").includes("status: local")),
  ).toBe(true);
  expect(await repair(home)).toMatchObject({
    code: 100,
    stderr: expect.stringMatching(/works on this queue: stop it first\n$/),
  });
  expect(existsSync(queue(home, "bounce/77"))).toBe(true);
});

const missing = Bun.which("strace") === null;

test.skipIf(missing)(
  `killed at any rename, the next repair completes it${missing ? " (needs strace)" : ""}`,
  async () => {
    for (const nth of [1, 4, 8, 17, 25]) {
      const home = await waiting(true);
      rotate(home);
      const inject = `inject=rename,renameat,renameat2:signal=SIGKILL:when=${nth}`;
      const strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=rename,renameat,renameat2",
        "-e",
        inject,
      ];
      await run([...strace, home.program("qmail"), "queue", "repair"], { environment: home.environment });
      expect(await repair(home)).toMatchObject({ code: 0, stderr: "" });
      expect((await repair(home)).stdout).toBe("the queue is in order\n");
      await deliverAll(home);
      await home.remove();
    }
  },
);
