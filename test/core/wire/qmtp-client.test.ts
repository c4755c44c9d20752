/** QMTP, the client's side: answers, whole and in single bytes. */
import { expect, test } from "bun:test";
import { QmtpClient, qmtpFrame } from "../../../src/core/wire/qmtp-client.ts";

const liked = "K192.0.2.1 accepted message.\nRemote host said: ok 1\n\0";
const dead = "ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n\0";
const disliked = (letter: string, text: string) =>
  `${letter}192.0.2.1 does not like recipient.\nRemote host said: ${text}\n\0`;

const rows: readonly (readonly [number, string, string])[] = [
  [1, "5:Kok 1,", `r\0${liked}`],
  [2, "5:Kok 1,3:Kok,", `r\0r\0${liked}`],
  [3, "3:Dno,6:Zlater,5:Kok 1,", `${disliked("h", "no")}${disliked("s", "later")}r\0${liked}`],
  [1, "3:Dno,", `${disliked("h", "no")}DGiving up on 192.0.2.1.\n\0`],
  [1, "4:Za\0b,", `${disliked("s", "a?b")}DGiving up on 192.0.2.1.\n\0`],
  [1, "3:Xno,", dead],
  [1, "0:,", dead],
  [1, ":,", dead],
  [1, "3:Kok;", dead],
  [1, "9999999999:", dead],
  [1, "220 hello", dead],
  [1, "3:Ko", dead],
];
for (const [recipients, answers, report] of rows)
  for (const piece of [1, 100])
    test(`${recipients} recipients, ${JSON.stringify(answers)} in pieces of ${piece}`, () => {
      const client = new QmtpClient("192.0.2.1", recipients);
      client.sent();
      for (let start = 0; start < answers.length; start += piece)
        client.feed(Buffer.from(answers.slice(start, start + piece), "latin1"));
      if (!client.over) client.dropped();
      expect(client.report().toString("latin1")).toBe(report);
    });

test("the frame around a message", () => {
  const addresses = { sender: Buffer.from("a@b"), recipients: [Buffer.from("c@d"), Buffer.from("")] };
  const { before, after } = qmtpFrame(3, addresses);
  expect(`${before}xy\n${after}`).toBe("4:\nxy\n,3:a@b,9:3:c@d,0:,,");
});

test("an answer without end costs no memory", () => {
  const client = new QmtpClient("h", 1);
  client.feed(Buffer.from("99999999:K"));
  for (let round = 0; round < 1000; round++) client.feed(Buffer.alloc(10000, 120));
  client.dropped();
  expect(client.report().length).toBeLessThan(200);
});
