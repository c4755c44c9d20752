import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { InjectError, type InjectOptions, inject, type Message, QueueError } from "qmail-ts/inject";
import { failureOf, kept, makeHome, type Row } from "./row.js";

const environment = { PATH: process.env.PATH, QMAILUSER: "joe" };

/** Injects; returns the message without Date and Message-ID, and the envelope. */
async function sent(
  scratch: string,
  message: Message,
  options: InjectOptions = {},
): Promise<[string, string]> {
  const home = makeHome(scratch);
  await inject(message, { home, environment, ...options });
  const made = kept(home, "message").replace(/^Date: .* -0000\nMessage-ID: <[\w.]+\.qmail@h\.example>\n/, "");
  return [made, kept(home, "envelope")];
}

/** Message, options; what it becomes, and its envelope. */
const messages: readonly (readonly [string, string, InjectOptions, string, string])[] = [
  [
    "header recipients",
    "To: Ann <ann>\nBcc: bob@x.y\nSubject: s\n\nbody\n",
    {},
    "From: joe@h.example\nTo: Ann <ann@h.example>\nSubject: s\n\nbody\n",
    "Fjoe@h.example\0Tann@h.example\0Tbob@x.y\0\0",
  ],
  [
    "given recipients alone",
    "To: ann\n\nbody",
    { recipients: ["bob"], sender: "x@y.z" },
    "From: joe@h.example\nTo: ann@h.example\n\nbody\n",
    "Fx@y.z\0Tbob@h.example\0\0",
  ],
  [
    "given recipients and those of the header",
    "To: ann\n\n",
    { recipients: ["bob"], sender: "", headerRecipients: true },
    "From: joe@h.example\nTo: ann@h.example\n\n",
    "F\0Tbob@h.example\0Tann@h.example\0\0",
  ],
  ["a header alone", "Cc: a@b.c", {}, "From: joe@h.example\nCc: a@b.c\n", "Fjoe@h.example\0Ta@b.c\0\0"],
  [
    "a line that is no field",
    "Cc: a@b.c\nno field\nmore",
    {},
    "From: joe@h.example\nCc: a@b.c\n\nno field\nmore\n",
    "Fjoe@h.example\0Ta@b.c\0\0",
  ],
];

export const rows: readonly Row[] = [
  ...messages.flatMap(([name, message, options, expected, envelope]): Row[] => [
    [name, async (scratch) => assert.deepEqual(await sent(scratch, message, options), [expected, envelope])],
    [
      `${name}, a byte at a time`,
      async (scratch) => {
        const bytes = Array.from(Buffer.from(message), (byte) => Buffer.of(byte));
        assert.deepEqual(await sent(scratch, bytes, options), [expected, envelope]);
      },
    ],
  ]),
  [
    "bytes that are no UTF-8 stay as they are",
    async (scratch) => {
      const message = Buffer.from("From: x@y.z\nCc: a@b.c\nX: \xff\n\n\xe9\n", "latin1");
      assert.equal((await sent(scratch, message))[0], "From: x@y.z\nCc: a@b.c\nX: \xff\n\n\xe9\n");
    },
  ],
  [
    "the result tells the envelope",
    async (scratch) => {
      const { sender, recipients } = await inject("To: ann, bob@x.y\n\n", {
        home: makeHome(scratch),
        environment,
      });
      assert.equal(Buffer.from(sender).toString(), "joe@h.example");
      assert.deepEqual(recipients.map((one) => Buffer.from(one).toString()).sort(), [
        "ann@h.example",
        "bob@x.y",
      ]);
    },
  ],
  [
    "many messages of one second have different Message-IDs",
    async (scratch) => {
      const home = makeHome(scratch, "cat message >>all");
      for (let count = 0; count < 20; count++) await inject("To: ann\n\n", { home, environment });
      const ids = kept(home, "all").match(/^Message-ID: .*$/gm) ?? [];
      assert.equal(ids.length, 20);
      assert.equal(new Set(ids).size, 20);
    },
  ],
  [
    "what is no address, or no message to anybody, is a permanent failure, and nothing is sent",
    async (scratch) => {
      const home = makeHome(scratch);
      const wrong: readonly (readonly [string, InjectOptions])[] = [
        ["To: a\nFrom: (b\n\n", {}],
        ["To: (a\n\n", {}],
        ["Subject: x\n\n", {}],
        ["To: a\n\n", { recipients: [], headerRecipients: false }],
      ];
      for (const [message, options] of wrong) {
        const failure = await failureOf(inject(message, { home, environment, ...options }));
        assert.ok(failure instanceof InjectError && failure.kind === "permanent", String(failure));
      }
      assert.equal(existsSync(join(home, "envelope")), false);
    },
  ],
  [
    "a control file that can not be read is a temporary failure",
    async (scratch) => {
      const home = makeHome(scratch);
      mkdirSync(join(home, "control/idhost"));
      const failure = await failureOf(inject("To: a\n\n", { home, environment }));
      assert.ok(failure instanceof InjectError && failure.kind === "temporary");
      assert.match(failure.message, /control\/idhost: EISDIR/);
    },
  ],
  [
    "what the queue program says is passed on",
    async (scratch) => {
      const failure = await failureOf(
        inject("To: a\n\n", { home: makeHome(scratch, "exit 31"), environment }),
      );
      assert.ok(failure instanceof QueueError && failure.kind === "permanent" && failure.exitCode === 31);
    },
  ],
  [
    "a source that breaks, in the header or behind it, gets no envelope",
    async (scratch) => {
      const home = makeHome(scratch);
      for (const start of ["To: a\n", "To: a\n\nbody\n"]) {
        const broken = (async function* () {
          yield start;
          throw new Error("the source broke");
        })();
        assert.match(String(await failureOf(inject(broken, { home, environment }))), /the source broke/);
      }
      assert.equal(kept(home, "envelope"), "");
    },
  ],
];
