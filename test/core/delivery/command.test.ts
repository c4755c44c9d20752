import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Command, CommandReader, fieldLimit } from "../../../src/core/delivery/command.ts";

const field = fc.uint8Array({ min: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const command = fc.record({
  delivery: fc.integer({ min: 0, max: 255 }),
  message: field,
  sender: field,
  recipient: field,
});

const encode = ({ delivery, message, sender, recipient }: Omit<Command, "tooLong">): Buffer =>
  Buffer.concat([Buffer.of(delivery), message, Buffer.of(0), sender, Buffer.of(0), recipient, Buffer.of(0)]);

test("commands are the same however their bytes arrive", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 5 }), fc.integer({ min: 1, max: 30 }), (commands, size) => {
      const bytes = Buffer.concat(commands.map(encode));
      const reader = new CommandReader();
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
