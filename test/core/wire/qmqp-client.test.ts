/** QMQP, the client's side. */
import { expect, test } from "bun:test";
import { qmqpFrame, qmqpResult } from "../../../src/core/wire/qmqp-client.ts";

test("the frame around a message counts all of it", () => {
  const { before, after } = qmqpFrame(3, [Buffer.from("a@b"), Buffer.from("")]);
  expect(`${before}xyz${after}`).toBe("15:3:xyz,3:a@b,0:,,");
});

for (const [answer, result] of [
  ["5:Kfine,", "K"],
  ["Zlater", "Z"],
  ["3:Dno,", "D"],
  ["12:", undefined],
] as const)
  test(`the answer ${answer}`, () => {
    expect(qmqpResult(Buffer.from(answer))).toBe(result);
  });
