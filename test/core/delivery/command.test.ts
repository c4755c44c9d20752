import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Command, CommandReader, fieldLimit } from "../../../src/core/delivery/command.ts";
import { encodeSlot, type SlotWidth } from "../../../src/core/delivery/slot-number.ts";

const field = fc.uint8Array({ min: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const command = fc.record({
  message: field,
  sender: field,
  recipient: field,
});

function encode(
  { delivery, message, sender, recipient }: Omit<Command, "tooLong">,
  width: SlotWidth,
): Buffer {
  const fields = [message, sender, recipient].flatMap((bytes) => [bytes, Buffer.of(0)]);
  return Buffer.concat([encodeSlot(delivery, width), ...fields]);
}

test.each([1, 2] as const)("commands are the same however their bytes arrive: width %d", (width) => {
  const numbered = command.chain((each) =>
    fc.integer({ min: 0, max: 256 ** width - 1 }).map((delivery) => ({ ...each, delivery })),
  );
  fc.assert(
    fc.property(fc.array(numbered, { maxLength: 5 }), fc.integer({ min: 1, max: 30 }), (commands, size) => {
      const bytes = Buffer.concat(commands.map((each) => encode(each, width)));
      const reader = new CommandReader(width);
      const found: Command[] = [];
      for (let start = 0; start < bytes.length; start += size) {
        // The reader must not keep the caller's buffer.
        const piece = Buffer.from(bytes.subarray(start, start + size));
        found.push(...reader.feed(piece));
        piece.fill(120);
      }
      expect(found).toEqual(commands.map((each) => ({ ...each, tooLong: false })));
    }),
  );
});

test("a field without end takes no memory and is told at the command's end", () => {
  const reader = new CommandReader();
  const long = Buffer.alloc(fieldLimit, 97);
  expect([...reader.feed(Buffer.of(5)), ...reader.feed(long), ...reader.feed(long)]).toEqual([]);
  const [garbage, next] = reader.feed(Buffer.from("\0s\0r\0\u00061\0s\0r\0"));
  expect(garbage).toMatchObject({ delivery: 5, tooLong: true });
  expect(next).toMatchObject({ delivery: 6, tooLong: false, message: Buffer.from("1") });
});
