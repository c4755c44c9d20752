/** A message that a server holds for a warm queue program: byte for byte the same, and no larger than it is. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ResidentQueue } from "../../../src/core/queue/resident-client.ts";
import type { Request } from "../../../src/core/queue/resident-words.ts";
import { Submission } from "../../../src/core/queue/submit.ts";

/** A warm way that remembers what it was given. */
class Way {
  seen: Request | undefined;
  held = 0;
  hold(bytes: number): boolean {
    this.held += bytes;
    return true;
  }
  release(bytes: number): void {
    this.held -= bytes;
  }
  submit(request: Request) {
    this.seen = { ...request, message: [...request.message] };
    return Promise.resolve({ accepted: true as const, pid: 1 });
  }
}

const environment = { PATH: "/usr/bin:/bin" };

async function given(pieces: readonly Buffer[]): Promise<Way> {
  const way = new Way();
  const submission = new Submission(environment, way as unknown as ResidentQueue);
  for (const piece of pieces) {
    submission.message(piece);
    // The server's buffer is used again.
    piece.fill(33);
  }
  submission.from(Buffer.from("a@b"));
  submission.to(Buffer.from("c@d"));
  expect(await submission.close()).toEqual({ accepted: true, pid: 1 });
  expect(way.held).toBe(0);
  return way;
}

test("the message is the same however it was cut", async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 16380, maxLength: 40000 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
      const whole = Buffer.concat(pieces);
      const { seen } = await given(pieces.map((bytes) => Buffer.from(bytes)));
      expect(Buffer.concat(seen?.message ?? [])).toEqual(whole);
    }),
    { numRuns: 50 },
  );
});

test("single bytes are held together", async () => {
  const { seen } = await given(Array.from({ length: 100_000 }, () => Buffer.of(97)));
  expect(seen?.message.length).toBe(7);
  expect(Buffer.concat(seen?.message ?? [])).toEqual(Buffer.alloc(100_000, 97));
});
