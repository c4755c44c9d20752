/** qmail-qmqpc with servers at other ports, large messages and bad conditions; the recorded cases are in test/conformance. */
import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, symlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bin, Scratch } from "../helpers/built.ts";
import { watchMemory } from "../helpers/memory.ts";

/** A QMQP server: what it got, and the answer it gives at once when it has `wanted` bytes. */
function serve(answer: string, wanted: number) {
  const seen = { size: 0, begin: "" };
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, data) {
        if (seen.begin.length < 100) seen.begin += data.subarray(0, 100).toString("latin1");
        seen.size += data.length;
        if (seen.size < wanted) return;
        socket.write(answer);
        if (answer === "") socket.end();
      },
    },
  });
  return { port: server.port, seen, [Symbol.dispose]: () => server.stop(true) };
}

class Home extends Scratch {
  constructor(servers: string) {
    super();
    this.write("control/qmqpservers", servers);
    this.write("envelope", "Fa@b\0Tc@d\0\0");
    this.write("message", "x\n");
  }
  async send(message = "message", env = {}, program = join(bin, "qmail-qmqpc")) {
    const [zero, one] = [openSync(this.in(message), "r"), openSync(this.in("envelope"), "r")];
    const child = Bun.spawn([program], {
      stdio: [zero, one, "pipe"],
      env: { QMAILHOME: this.path, ...env },
    });
    const peak = watchMemory(child.pid);
    closeSync(zero);
    closeSync(one);
    const [stderr] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    return { code: child.exitCode, stderr, memory: peak() };
  }
}

const frame = "20:2:x\n,3:a@b,3:c@d,,".replace(/^\d+/, String("2:x\n,3:a@b,3:c@d,".length));

for (const [answer, code] of [
  ["3:Kok,", 0],
  ["1:Z,", 71],
  ["1:D,", 31],
  ["", 74],
] as const)
  test(`the answer ${JSON.stringify(answer)}`, async () => {
    using server = serve(answer, frame.length);
    using home = new Home(`127.0.0.1:1\nnonsense\n127.0.0.1:${server.port}\n127.0.0.1:2\n`);
    expect(await home.send()).toMatchObject({ code, stderr: "" });
    expect(server.seen.begin).toBe(frame);
  });

test("50 MB go out in constant memory, and nothing is left of them", async () => {
  using server = serve("K", 50_000_000);
  using home = new Home(`127.0.0.1:${server.port}\n`);
  home.write("tmp/keep", "");
  const file = openSync(home.in("large"), "w");
  for (let block = 0; block < 50; block++) writeSync(file, `${"x".repeat(99)}\n`.repeat(10000));
  closeSync(file);
  const { code, memory } = await home.send("large", { TMPDIR: home.in("tmp") });
  expect(code).toBe(0);
  expect(memory).toBeLessThan(100e6);
  expect(server.seen.begin).toStartWith("50000022:50000000:xxx");
  expect(Array.from(new Bun.Glob("*").scanSync(home.in("tmp")))).toEqual(["keep"]);
}, 30000);

test("where a large message can not be kept", async () => {
  using home = new Home("127.0.0.1:1\n");
  home.write("large", Buffer.alloc(2_000_000, 10));
  expect((await home.send("large", { TMPDIR: home.in("no") })).code).toBe(53);
});

test("it takes the place of qmail-queue as a link", async () => {
  using server = serve("K", frame.length);
  using home = new Home(`127.0.0.1:${server.port}\n`);
  symlinkSync(join(bin, "qmail-qmqpc"), home.in("qmail-queue"));
  expect((await home.send("message", {}, home.in("qmail-queue"))).code).toBe(0);
  expect(readFileSync(home.in("message"), "latin1")).toBe("x\n");
});

test("trouble before anything is sent", async () => {
  using home = new Home("");
  expect((await home.send()).code).toBe(55);
  home.write("control/qmqpservers", "127.0.0.1:1\n");
  expect((await home.send()).code).toBe(73);
  home.write("envelope", "Fa@b\0Tc@d\0");
  expect((await home.send()).code).toBe(91);
  home.write("envelope", "\0Tc@d\0\0");
  expect((await home.send()).code).toBe(91);
  expect((await home.send("control")).code).toBe(54);
  expect((await home.send("message", { QMAILHOME: home.in("no") })).code).toBe(61);
});
