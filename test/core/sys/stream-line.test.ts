/** Connections on the runtime's own sockets: bounds both ways, ends, silence, and whoever refuses. */
import { afterEach, expect, spyOn, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { StreamLine } from "../../../src/core/sys/stream-line.ts";

const loopback = Uint8Array.of(127, 0, 0, 1);
let server: Server | undefined;
afterEach(() => void server?.close());

/** A line to a partner, and the partner's side. */
async function connected(seconds = 5): Promise<{ line: StreamLine; partner: Socket }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, resolve);
  const address = await new Promise<ReturnType<Server["address"]>>((listening) =>
    server?.listen(0, "127.0.0.1", () => listening(server?.address() ?? null)),
  );
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const line = await StreamLine.connect(loopback, port, seconds);
  const partner = await promise;
  // Where the line is closed with something unread.
  partner.on("error", () => {});
  return { line, partner };
}

async function code(operation: unknown): Promise<string> {
  return await Promise.resolve(operation).then(
    (result) => String(result),
    (failure: { code: string }) => failure.code,
  );
}

async function receiveAll(line: StreamLine): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const buffer = Buffer.alloc(4096); ; ) {
    const length = await line.receive(buffer, 5);
    if (length === 0) return Buffer.concat(parts);
    parts.push(Buffer.from(buffer.subarray(0, length)));
  }
}

for (const ends of [true, false])
  test(`what goes and comes is whole, also where each waits for the other's buffers; the partner ${ends ? "ends first" : "goes on"}`, async () => {
    const { line, partner } = await connected();
    const long = Buffer.alloc(5_000_000, "0123456789abcdef-");
    // Nobody reads for a moment: both must wait.
    partner.write(long);
    if (ends) partner.end();
    await Bun.sleep(50);
    const sent = (async () => {
      for (let start = 0; start < long.length; start += 16_384)
        await line.send(long.subarray(start, start + 16_384), 5);
      await line.send(long, 5);
    })();
    await Bun.sleep(50);
    const arrived: Buffer[] = [];
    let size = 0;
    const taken = new Promise<void>((resolve) => {
      partner.on("data", (bytes: Buffer) => {
        arrived.push(bytes);
        size += bytes.length;
        if (size === 2 * long.length) resolve();
      });
    });
    partner.resume();
    await Promise.all([sent, taken]);
    expect(Buffer.concat(arrived).equals(Buffer.concat([long, long]))).toBe(true);
    if (!ends) partner.end();
    expect((await receiveAll(line)).equals(long)).toBe(true);
    line.close();
  });

test("a partner whose bytes nobody takes has to wait", async () => {
  const { line, partner } = await connected();
  let taken = 0;
  const piece = Buffer.alloc(65_536);
  const more = () => {
    while (taken < 1000 && partner.write(piece, () => taken++));
    partner.once("drain", more);
  };
  more();
  for (let before = -1; before !== taken; await Bun.sleep(100)) before = taken;
  expect(taken).toBeLessThan(300);
  line.close();
});

test("silence ends a wait, and the line goes on", async () => {
  const { line, partner } = await connected();
  const buffer = Buffer.alloc(10);
  const begun = performance.now();
  expect(await code(line.receive(buffer, 0.2))).toBe("ETIMEDOUT");
  expect(performance.now() - begun).toBeGreaterThanOrEqual(200);
  partner.write("x");
  expect(await line.receive(buffer, 5)).toBe(1);
  line.close();
});

test("one that takes nothing ends a send", async () => {
  const { line } = await connected();
  expect(await code(line.send(Buffer.alloc(20_000_000), 0.3))).toBe("ETIMEDOUT");
  line.close();
});

test("after the partner's end there may still be something to say to it", async () => {
  const { line, partner } = await connected();
  partner.end("bye");
  const buffer = Buffer.alloc(10);
  expect([await line.receive(buffer, 5), await line.receive(buffer, 5)]).toEqual([3, 0]);
  expect(line.quiet).toBe(false);
  const heard = new Promise<string>((resolve) =>
    partner.on("data", (bytes: Buffer) => resolve(bytes.toString())),
  );
  partner.resume();
  await line.send(Buffer.from("you, too"), 5);
  expect(await heard).toBe("you, too");
  line.close();
});

test("a broken connection is an error to who reads and who writes", async () => {
  const { line, partner } = await connected();
  partner.resetAndDestroy();
  const buffer = Buffer.alloc(10);
  expect(await code(line.receive(buffer, 5))).toBe("ECONNRESET");
  expect(await code((async () => await line.send(buffer, 5))())).toBe("ECONNRESET");
  expect(line.quiet).toBe(false);
  line.close();
});

test("what the runtime says of a connect after the socket opened breaks nothing", async () => {
  const connect = Bun.connect;
  const spy = spyOn(Bun, "connect").mockImplementation((async (
    options: Bun.TCPSocketConnectOptions<unknown>,
  ) => {
    await connect(options);
    throw new Error("late");
  }) as unknown as typeof connect);
  const { line, partner } = await connected().finally(() => spy.mockRestore());
  await Bun.sleep(0);
  partner.end("220 hello\r\n");
  await line.send(Buffer.from("QUIT\r\n"), 5);
  expect((await receiveAll(line)).toString()).toBe("220 hello\r\n");
  line.close();
});

test("a last word arrives, and the connection is closed when the partner closes it, or soon", async () => {
  for (const answers of [true, false]) {
    const { line, partner } = await connected();
    partner.resume();
    const ended = new Promise<number>((resolve) => partner.on("end", () => resolve(performance.now())));
    partner.on("data", () => {
      if (answers) partner.end("221 bye\r\n");
    });
    const begun = performance.now();
    line.leave(Buffer.from("QUIT\r\n"));
    const took = (await ended) - begun;
    if (answers) expect(took).toBeLessThan(1000);
    else expect(took).toBeGreaterThanOrEqual(1000);
    partner.end();
  }
});

test("whatever happens to a line that waits is told", async () => {
  const { line, partner } = await connected();
  expect(line.quiet).toBe(true);
  const told = new Promise<void>((resolve) => line.watch(resolve));
  partner.write("421 bye\r\n");
  await told;
  expect(line.quiet).toBe(false);
  line.close();
});

test("nobody there: refused, at once", async () => {
  const free = await connected();
  free.line.close();
  const address = server?.address();
  await new Promise<void>((resolve) => {
    free.partner.destroy();
    server?.close(() => resolve());
  });
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  expect(await code(StreamLine.connect(loopback, port, 5))).toBe("ECONNREFUSED");
});
