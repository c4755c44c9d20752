import { expect, test } from "bun:test";
import fc from "fast-check";
import { Injection, type Settings, Unparsable } from "../../../src/core/mail/injection.ts";
import { tokenize } from "../../../src/core/mail/token822.ts";

const reversed = (text: string) => (tokenize(text) ?? []).reverse();
const settings: Settings = {
  author: { user: "joe", host: undefined, name: undefined, senderUser: "joe", senderHost: undefined },
  completions: {
    defaultHost: reversed("@h"),
    defaultDomain: reversed(".d.example"),
    plusDomain: reversed(".p.example"),
  },
  idHost: "id.example",
  letters: new Set(),
  lists: undefined,
  time: 999999999,
  process: 17,
};

/** Fields in, whole header out. */
function inject(fields: string[], changes: Partial<Settings> = {}): { header: string; injection: Injection } {
  const injection = new Injection({ ...settings, ...changes });
  for (const field of fields) injection.field(Buffer.from(field, "latin1"));
  return { header: Buffer.concat(injection.header(false)).toString("latin1"), injection };
}

const added = "Date: 9 Sep 2001 01:46:39 -0000\nMessage-ID: <20010909014639.17.qmail@id.example>\n";
const rows: readonly (readonly [string, string[], Partial<Settings>, string, string])[] = [
  ["an empty header", [], {}, `${added}From: joe@h.d.example\nCc: recipient list not shown: ;\n`, ""],
  ["recipients", ["To: a\n", "Bcc: b\n"], {}, `${added}From: joe@h.d.example\nTo: a@h.d.example\n`, "a b"],
  [
    "a forwarded message",
    ["Resent-Bcc: r\n", "To: a\n"],
    {},
    `Resent-${added.replace("\n", "\nResent-")}Resent-From: joe@h.d.example\nResent-Cc: recipient list not shown: ;\nTo: a@h.d.example\n`,
    "r",
  ],
  [
    "a list of mailing lists",
    ["To: A@L.example, b\n", "Cc: c\n"],
    { lists: new Set(["a@l.example"]) },
    `${added}From: joe@h.d.example\nMail-Followup-To: c@h.d.example,\n  A@L.example,\n  b@h.d.example\nTo: A@L.example, b@h.d.example\nCc: c@h.d.example\n`,
    "b A@L.example c",
  ],
];
for (const [about, fields, changes, header, recipients] of rows) {
  test(about, () => {
    const result = inject(fields, changes);
    expect(result.header).toBe(header);
    const addresses = result.injection.recipients(true).map((address) => address.replace("@h.d.example", ""));
    expect(addresses.join(" ")).toBe(recipients);
  });
}

const senders: readonly (readonly [string, string, string])[] = [
  ["", "", "joe@h.d.example"],
  ["r", "", "joe-@h.d.example-@[]"],
  ["m", "", "joe-999999999.17@h.d.example"],
  ["mr", "", "joe-999999999.17-@h.d.example-@[]"],
  ["r", "Return-Path: <x>\n", "x@h.d.example-@[]"],
  ["s", "Return-Path: <x>\n", "joe@h.d.example"],
  ["", "Return-Path: <>\n", ""],
];
for (const [letters, field, sender] of senders) {
  test(`sender with letters "${letters}" and "${field.trimEnd()}"`, () => {
    const fields = field === "" ? [] : [field];
    expect(inject(fields, { letters: new Set(letters) }).injection.sender).toBe(sender);
  });
}

test("only fields that name senders have to be lists", () => {
  expect(inject(["To: (\n"]).header).toEndWith("To: (\n");
  expect(() => inject(["From: (\n"])).toThrow(Unparsable);
});

const word = fc.constantFrom(
  "ann",
  '"q s"',
  "(c)",
  "<a@b>",
  "@",
  ".",
  ",",
  ":",
  ";",
  "x@y.z",
  "h+",
  "\\@",
  "\xe9",
);

test("any list is completed or refused; a completed one stays as it is", () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const fields = [`To: ${words.join(" ")}\n`, "From: a@b.c\n", "Date: x\n", "Message-ID: y\n"];
      const once = inject(fields);
      const lines = once.header.match(/[^\n]+\n(?:[ \t][^\n]*\n)*/g) ?? [];
      const again = inject(lines);
      // A lone sign, or one that loses its backslash, reads otherwise the second time.
      if (words.some((text) => [".", "@", "\\@"].includes(text))) return;
      expect(again.header).toBe(once.header);
      expect(again.injection.recipients(true)).toEqual(once.injection.recipients(true));
    }),
    { numRuns: 500 },
  );
});
