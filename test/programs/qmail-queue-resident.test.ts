/** The built `qmail-queue --resident`: by itself, and behind a server that stays. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { encodeRequest, encodeWords, greeting } from "../../src/core/queue/resident-words.ts";
import { bin } from "../helpers/built.ts";
import { QueueHome } from "../helpers/queue-home.ts";
import { separateQueueProgram } from "../helpers/queue-program.ts";

let home: QueueHome;
beforeEach(() => {
  home = new QueueHome();
});
afterEach(() => home[Symbol.dispose]());

const hello = encodeWords(greeting).toString();

function request(text: string, sender = "a@b", ...recipients: string[]): Buffer {
  const bytes = (word: string) => Buffer.from(word, "latin1");
  return Buffer.concat(
    encodeRequest({
      message: [bytes(text)],
      sender: bytes(sender),
      recipients: recipients.length > 0 ? recipients.map(bytes) : [bytes("c@d")],
    }),
  );
}

const env = () => ({ PATH: "/usr/bin:/bin", QMAILHOME: home.path });
const command = () => [join(bin, "qmail-queue"), "--resident"];

/** Gives it all this as its input; what it answered after its greeting, and its exit code. */
async function converse(...input: Buffer[]): Promise<{ answers: string[]; code: number }> {
  const child = Bun.spawn(command(), { stdio: [Buffer.concat(input), "pipe", "pipe"], env: env() });
  const said = await child.stdout.text();
  expect(said).toStartWith(hello);
  const answers = said
    .slice(hello.length)
    .split(/,?\d+:/)
    .slice(1)
    .map((answer) => answer.replace(/\d+/g, "N").replace(/,$/, ""));
  return { answers, code: await child.exited };
}

const ok = "Kok N qp N";
const queued = (part: string): string[] => home.left().filter((path) => path.startsWith(`${part}/`));

test("many messages, each as a qmail-queue of its own would file it", async () => {
  const texts = Array.from({ length: 300 }, (_, index) => `Subject: ${index}\n\n${"x".repeat(index * 50)}\n`);
  const { answers, code } = await converse(...texts.map((text) => request(text, "a@b", "c@d", "e@f")));
  expect({ answers, code }).toEqual({ answers: texts.map(() => ok), code: 0 });
  expect([queued("todo").length, queued("intd").length, queued("pid").length]).toEqual([300, 300, 0]);
  const uid = process.getuid?.();
  const seen = new Set<string>();
  for (const path of queued("mess")) {
    const [received = "", rest = ""] = home.read(`queue/${path}`).split(/(?<=-0000)\n/);
    expect(received).toMatch(new RegExp(`^Received: \\(qmail \\d+ invoked by uid ${uid}\\); `));
    seen.add(rest);
    const id = path.split("/").at(-1);
    expect(home.read(`queue/todo/${id}`)).toMatch(new RegExp(`^u${uid}\\0p\\d+\\0Fa@b\\0Tc@d\\0Te@f\\0$`));
  }
  expect(seen).toEqual(new Set(texts));
});

test("the last message wakes qmail-send, too", async () => {
  const { O_RDWR, O_NONBLOCK } = constants;
  const trigger = openSync(home.in("queue/lock/trigger"), O_RDWR | O_NONBLOCK);
  try {
    for (let count = 0; count < 10; count++) {
      expect(await converse(request("x"))).toMatchObject({ answers: [ok], code: 0 });
      // EAGAIN: nobody pulled it.
      expect(readSync(trigger, Buffer.alloc(16))).toBeGreaterThan(0);
    }
  } finally {
    closeSync(trigger);
  }
});

test("addresses are checked, and the next message goes on", async () => {
  const { answers, code } = await converse(
    request("1\n", "x".repeat(1003)),
    request("2\n", "a\0Tevil@h"),
    request("3\n"),
  );
  expect(answers).toEqual(["Denvelope address too long for qq (#N.N.N)", "Zqq internal bug (#N.N.N)", ok]);
  expect([code, home.left().length]).toEqual([0, 3]);
});

test.each([
  ["garbage", "hello\n"],
  ["a length without an end", "99999999999999999:"],
  ["more than it holds", "9000000:"],
  ["no sender", "4:1:m,,"],
  ["nonsense inside", "5:1:mm,,"],
])("%s ends it; what came before is in the queue", async (_, text) => {
  const { answers, code } = await converse(request("m\n"), Buffer.from(text));
  expect({ answers, code }).toEqual({ answers: [ok], code: 91 });
  expect(queued("todo").length).toBe(1);
  expect(home.left().length).toBe(3);
});

test("a request that is cut off leaves nothing", async () => {
  const { answers, code } = await converse(request("m\n"), request("cut off\n").subarray(0, -3));
  expect({ answers, code }).toEqual({ answers: [ok], code: 54 });
  expect(home.left().length).toBe(3);
});

test("more than it holds at once waits its turn", async () => {
  const text = `${"x".repeat(3 << 20)}\n`;
  const { answers, code } = await converse(...Array.from({ length: 15 }, () => request(text)));
  expect({ answers, code }).toEqual({ answers: Array.from({ length: 15 }, () => ok), code: 0 });
  expect(queued("todo").length).toBe(15);
});

test("who goes away without listening loses no message", async () => {
  const child = Bun.spawn(command(), { stdio: ["pipe", "pipe", "inherit"], env: env() });
  await child.stdout.cancel();
  for (let count = 0; count < 20; count++) child.stdin.write(request(`${count}\n`));
  await child.stdin.end();
  expect(await child.exited).toBe(0);
  expect(queued("todo").length).toBe(20);
});

test("without a queue it says so before anything else", async () => {
  rmSync(home.in("queue"), { recursive: true });
  const child = Bun.spawn(command(), { stdio: [Buffer.from(""), "pipe", "inherit"], env: env() });
  expect([await child.stdout.text(), await child.exited]).toEqual(["", 62]);
});

/** A server in the home, and one SMTP session after the other with it. */
class Server {
  readonly child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  port = 0;
  constructor(environment: Readonly<Record<string, string>> = {}) {
    home.write("control/me", "mx\n");
    home.write("control/rcpthosts", "d\n");
    this.child = Bun.spawn([join(bin, "qmail-smtpd"), "--listen", "127.0.0.1:0"], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...env(), ...environment },
    });
  }
  async start(): Promise<void> {
    for await (const piece of this.child.stderr) {
      this.port = Number(/:(\d+)\n/.exec(Buffer.from(piece).toString())?.[1]);
      return;
    }
  }
  async send(text: string, recipients: readonly string[] = ["c@d"]): Promise<string> {
    const lines = [
      "HELO h",
      "MAIL FROM:<a@b>",
      ...recipients.map((recipient) => `RCPT TO:<${recipient}>`),
      "DATA",
      `Subject: s\r\n\r\n${text}\r\n.`,
      "QUIT",
    ];
    const socket = connect({ port: this.port, host: "127.0.0.1", allowHalfOpen: true });
    const { promise, resolve } = Promise.withResolvers<string>();
    let said = "";
    socket.on("data", (bytes) => {
      said += bytes.toString("latin1");
    });
    socket.on("end", () => resolve(said));
    socket.write(`${lines.join("\r\n")}\r\n`);
    const replies = (await promise).split("\r\n");
    socket.destroy();
    return replies.at(-3) ?? "";
  }
  /** The queue programs that it has. */
  children(): number[] {
    const { pid } = this.child;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  }
  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    expect(await this.child.exited).toBe(0);
  }
}

test("a server has one for all its clients, and another when that one dies", async () => {
  home.write("bin/nothing", "");
  separateQueueProgram(home.in("bin/qmail-queue"));
  const server = new Server();
  await server.start();
  const replies = await Promise.all(Array.from({ length: 40 }, (_, index) => server.send(`m${index}`)));
  const [writer = 0, ...more] = server.children();
  expect(more).toEqual([]);
  for (const reply of replies) expect(reply).toMatch(new RegExp(`^250 ok \\d+ qp ${writer}$`));
  expect(queued("todo").length).toBe(40);
  process.kill(writer, "SIGKILL");
  while (server.children().includes(writer)) await Bun.sleep(10);
  expect(await server.send("after")).toMatch(/^250 ok \d+ qp \d+$/);
  expect(queued("todo").length).toBe(41);
  // More than a warm one takes goes to a qmail-queue of its own.
  expect(await server.send("long line\r\n".repeat(200_000))).toMatch(/^250 ok \d+ qp \d+$/);
  expect(queued("todo").length).toBe(42);
  await server.stop();
});

test("a message that a dying one had is to be sent again", async () => {
  home.write("bin/nothing", "");
  separateQueueProgram(home.in("bin/qmail-queue"));
  const server = new Server();
  await server.start();
  expect(await server.send("first")).toStartWith("250 ");
  const [writer = 0] = server.children();
  process.kill(writer, "SIGSTOP");
  const answer = server.send("second");
  // Long enough for the message to be with the one that stands still, on a busy machine, too.
  await Bun.sleep(2000);
  process.kill(writer, "SIGKILL");
  expect(await answer).toBe("451 qq crashed (#4.3.0)");
  expect(queued("todo").length).toBe(1);
  await server.stop();
});

test("a server that would be what the queue program is needs none", async () => {
  home.write("bin/nothing", "");
  symlinkSync(join(bin, "qmail-queue"), home.in("bin/qmail-queue"));
  const server = new Server();
  await server.start();
  const replies: string[] = [];
  for (let round = 0; round < 8; round++)
    replies.push(...(await Promise.all(Array.from({ length: 39 }, (_, index) => server.send(`m${index}`)))));
  for (const reply of replies) expect(reply).toMatch(new RegExp(`^250 ok \\d+ qp ${server.child.pid}$`));
  expect(server.children()).toEqual([]);
  expect(queued("todo").length).toBe(312);
  expect(queued("pid")).toEqual([]);
  const modes = queued("mess").map((path) => statSync(home.in("queue", path)).mode & 0o777);
  expect(new Set(modes)).toEqual(new Set([0o644]));
  // A queue that is not there now is a temporary failure, and no reason to end.
  renameSync(home.in("queue/todo"), home.in("queue/gone"));
  expect(await server.send("m")).toBe("451 qq trouble creating files in queue (#4.3.0)");
  renameSync(home.in("queue/gone"), home.in("queue/todo"));
  expect(await server.send("m")).toStartWith("250 ");
  expect(queued("todo").length).toBe(313);
  await server.stop();
});

test("a queue program that is not ours gets every message by itself", async () => {
  home.write(
    "bin/qmail-queue",
    "#!/bin/sh\n[ $# = 0 ] || exit 81\ncat >/dev/null; cat <&1 >/dev/null\n",
    0o755,
  );
  const server = new Server();
  await server.start();
  for (let count = 0; count < 2; count++) expect(await server.send("m")).toMatch(/^250 ok \d+ qp \d+$/);
  expect(server.children()).toEqual([]);
  await server.stop();
});

test("one that is not ours and silent is waited for once (set-user-id, as every qmail's is)", async () => {
  const starts = home.in("starts");
  const program = `#!/bin/sh\necho $# >>'${starts}'\ncat >/dev/null; [ $# = 0 ] || exit 54; cat <&1 >/dev/null\n`;
  chmodSync(home.write("bin/qmail-queue", program), 0o4755);
  const server = new Server();
  await server.start();
  for (let count = 0; count < 3; count++) {
    expect(await server.send("m")).toMatch(/^250 ok \d+ qp \d+$/);
    // Longer than after the end of one of ours.
    await Bun.sleep(1100);
  }
  expect(readFileSync(starts, "latin1")).toBe("1\n0\n0\n0\n");
  await server.stop();
}, 900_000);

test("recipients that are more than a request holds go to a qmail-queue of their own", async () => {
  home.write("bin/nothing", "");
  separateQueueProgram(home.in("bin/qmail-queue"));
  const server = new Server();
  await server.start();
  expect(await server.send("first")).toStartWith("250 ");
  const writers = server.children();
  const recipients = Array.from({ length: 5000 }, (_, index) => `${"x".repeat(880)}${index}@d`);
  const reply = await server.send("many", recipients);
  expect(reply).toMatch(/^250 ok \d+ qp \d+$/);
  expect(reply).not.toEndWith(` ${writers[0]}`);
  expect(await server.send("last")).toMatch(new RegExp(` qp ${writers[0]}$`));
  expect(server.children()).toEqual(writers);
  expect(queued("todo").length).toBe(3);
  await server.stop();
}, 900_000);

test("QMAILQUEUE has its way, and its words", async () => {
  symlinkSync(join(bin, "qmail-queue"), home.write("bin/nothing", "").replace(/nothing$/, "qmail-queue"));
  const own = home.write("own", "#!/bin/sh\ncat >/dev/null; printf 'Dnot here' >&6; exit 82\n", 0o755);
  const server = new Server({ QMAILQUEUE: own });
  await server.start();
  expect(await server.send("m")).toBe("554 not here");
  expect(home.left()).toEqual([]);
  await server.stop();
});
