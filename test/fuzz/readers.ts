/** The readers of what users and damaged disks bring: files, headers, rules, envelopes, reports. */
import { CdbMaker, cdbFind } from "../../src/core/bytes/cdb.ts";
import { formatIp, parseIp, parseLiteral } from "../../src/core/bytes/ip.ts";
import { BadRule, compileRule, readRule } from "../../src/core/control/tcprules.ts";
import { instructions } from "../../src/core/delivery/dotqmail.ts";
import { localReport, remoteReport } from "../../src/core/delivery/report.ts";
import { Exit } from "../../src/core/exit.ts";
import { rewriteAddresses } from "../../src/core/mail/addresses.ts";
import { contentsStart, knownField, readHeader } from "../../src/core/mail/header.ts";
import { tokenize, unparse, unquote } from "../../src/core/mail/token822.ts";
import { EnvelopeReader } from "../../src/core/queue/envelope.ts";
import { qmqpResult } from "../../src/core/wire/qmqp-client.ts";
import { addressLiteral, parsePath } from "../../src/core/wire/smtp-server-path.ts";
import { pieces } from "../core/wire/intake.ts";
import type { Engine } from "./engine.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const latin1 = (text: Uint8Array): string => Buffer.from(text).toString("latin1");

/** A reader of a whole text: what it makes of it, and what kind of text that was. */
function reader(
  name: string,
  corpus: readonly string[],
  tokens: readonly string[],
  read: (input: string) => { kind: string; value: string },
): Engine {
  return {
    name,
    corpus,
    tokens,
    stream: false,
    run: (input) => {
      const { kind, value } = read(input);
      return { output: value, effects: [], kind };
    },
  };
}

/** What a step returns, or the kind of an error it may throw. */
function declared<Value>(
  step: () => Value,
  ...errors: readonly (new (
    ...args: never[]
  ) => Error)[]
): Value | Error {
  try {
    return step();
  } catch (failure) {
    if (failure instanceof Error && errors.some((kind) => failure instanceof kind)) return failure;
    throw failure;
  }
}

class TooShort extends Error {}

/** A database of two records. */
function smallCdb(): string {
  const maker = new CdbMaker();
  const records = [maker.add(bytes("key"), bytes("data")), maker.add(bytes("other"), bytes(""))];
  const tables = [...maker.tables()];
  return latin1(Buffer.concat([maker.header(), ...records, ...tables]));
}

const cdb = reader("cdb", [smallCdb(), ""], ["\0\x08\0\0", "\xff\xff\xff\xff", "\x01\0\0\0"], (input) => {
  const file = bytes(input);
  let fetched = 0;
  const fetch = (position: number, length: number) => {
    if (++fetched > 10_000) throw new Error("too many looks into the file");
    if (position + length > file.length) throw new TooShort();
    return file.subarray(position, position + length);
  };
  const found = declared(() => cdbFind(fetch, bytes("key")), TooShort);
  return { kind: found instanceof Error ? "short" : String(found?.length), value: String(fetched) };
});

const rules = reader(
  "tcprules",
  ['1.2.3.4:allow,A="b"', "10.1-9.:deny", "joe@=host:allow,X=/y/", "::1:deny", ":allow", "#x"],
  [":allow", ":deny", ',A="b"', "-", "1-65535.", "=", "@", '"'],
  (input) => {
    const records = declared(() => compileRule(bytes(input)), BadRule);
    if (records instanceof Error) return { kind: "bad", value: "" };
    const read = records.slice(0, 3).map(([, data]) => readRule(data));
    return {
      kind: `${Math.min(records.length, 5)} ${read[0]?.denied} ${read[0]?.variables.length}`,
      value: JSON.stringify(read),
    };
  },
);

const anyRule = reader(
  "tcprules-data",
  ["+A=b\0", "D\0", "+A=b\0D\0+C=d\0"],
  ["\0", "+", "=", "D"],
  (input) => {
    const { denied, variables } = readRule(bytes(input));
    return { kind: `${denied} ${variables.length}`, value: String(variables) };
  },
);

const headerTexts = [
  'To: a@b, "c d" <e@f>, g (h), i: j, k;\n',
  "From: <@a,@b:c@d>\n",
  "Subject: x\n y\n\nbody\n",
  "From x\nTo: (a(b)\\)) [1.2.3.4]\n",
  "Cc: a.b.c @ d . e\\ f\n",
];
const headerTokens = [
  "(",
  ")",
  "<",
  ">",
  "[",
  "]",
  '"',
  "\\",
  ",",
  ";",
  ":",
  "@",
  ".",
  "\n ",
  "\n\n",
  "To: ",
  "a@b",
];

const tokens = reader("token822", headerTexts, headerTokens, (input) => {
  const all = tokenize(input);
  if (all === undefined) return { kind: "not closed", value: "" };
  const again = tokenize(unparse(all));
  if (again === undefined) throw new Error(`what it wrote cannot be read: ${JSON.stringify(unparse(all))}`);
  const rewritten = rewriteAddresses(all, (address) => address);
  const field = rewritten === undefined ? "" : unparse(rewritten);
  return {
    kind: all
      .slice(0, 8)
      .map(({ kind }) => kind)
      .join(""),
    value: unquote(all) + field,
  };
});

const header = reader("header", headerTexts, headerTokens, (input) => {
  const lines = input.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  let at = 0;
  const fields: Buffer[] = [];
  const rest = readHeader(
    () => (at < lines.length ? bytes(lines[at++] ?? "") : undefined),
    (field) => fields.push(field),
  );
  if (fields.some((field) => field.at(-1) !== 10)) throw new Error("a field without line feed");
  const names = fields.map((field) => `${knownField(field)} ${contentsStart(field) <= field.length}`);
  return { kind: names.slice(0, 6).join(), value: latin1(Buffer.concat([...fields, rest])) };
});

const dotQmail = reader(
  "dotqmail",
  ["./Maildir/\n&a@b\n|x y\n", "+list\na@b\n", "# x\n\n/mbox\n", " \n", ""],
  ["\n", "&", "|", "./", "/\n", "+list\n", "\0", " \t\n", "#"],
  (input) => {
    const all = declared(() => [...instructions(bytes(input))], Exit);
    if (all instanceof Error) return { kind: "blank", value: "" };
    return {
      kind: all
        .map(({ kind }) => kind)
        .slice(0, 6)
        .join(),
      value: JSON.stringify(all),
    };
  },
);

const paths = reader(
  "smtp-path",
  ["FROM:<a@b> SIZE=1", "TO: a@b", "FROM:<@a,@b:c@d>", 'TO:<"a>b"@[127.0.0.1]>', "TO:<c@[IPv6:::1]>", "<\\"],
  ["<", ">", ":", "@", '"', "\\", " ", "[", "]", "IPv6:", "1.2.3.4"],
  (input) => {
    const { address, rest } = parsePath(bytes(input));
    if (address.length + rest.length > input.length) throw new Error("more than there was");
    const literal = addressLiteral(address);
    if (literal !== undefined && parseIp(literal.ip) === undefined)
      throw new Error(`no address: ${literal.ip}`);
    return { kind: `${address.length > 0} ${rest.length > 0} ${literal?.at}`, value: latin1(address) };
  },
);

const ips = reader(
  "ip-literal",
  ["1.2.3.4", "::1", "2001:db8::1:2", "[::ffff:1.2.3.4]", "[ipv6:::]"],
  [":", "::", ".", "[", "]", "ffff", "1.2.3.4"],
  (input) => {
    const ip = parseIp(input) ?? parseLiteral(input);
    if (ip === undefined) return { kind: "none", value: "" };
    const text = formatIp(ip);
    const again = parseIp(text);
    if (again === undefined || !Buffer.from(again).equals(Buffer.from(ip)))
      throw new Error(`${text} is another address`);
    return { kind: `${ip.length} ${text.replace(/[^:.]/g, "")}`, value: text };
  },
);

const envelope: Engine = {
  name: "envelope",
  corpus: ["Fa@b\0Tc@d\0\0", "F\0\0", "Fa\0Tb\0Tc\0\0rest", "X", `F${"x".repeat(1003)}\0`],
  tokens: ["\0", "F", "T", "\0T", "\0\0", "x".repeat(1000)],
  stream: true,
  run: (input, cuts) => {
    const envelopeReader = new EnvelopeReader();
    let records = "";
    const failure = declared(() => {
      for (const piece of pieces(bytes(input), cuts)) {
        const taken = envelopeReader.read(piece);
        records += latin1(piece.subarray(0, taken));
      }
    }, Exit);
    // Of a refused envelope nothing is queued: how much of it was read before does not matter.
    const effects = failure instanceof Exit ? [`exit ${failure.code}`] : envelopeReader.done ? [records] : [];
    return {
      output: "",
      effects,
      kind: `${effects
        .join()
        .replace(/[^\0FT\d]/g, "")
        .slice(0, 20)}`,
    };
  },
};

const reports = reader(
  "spawner-reports",
  ["r\0Kok\0", "h x\0Dno\0", "sx\0Zlater\0", "K", "\0\0"],
  ["\0", "r", "h", "s", "K", "Z", "D", "\n"],
  (input) => {
    const made = [
      remoteReport({ code: 0 }, bytes(input)),
      localReport({ code: input.length % 128 }, bytes(input)),
    ];
    for (const report of made)
      if (!/^[KZD]/.test(latin1(report))) throw new Error(`no report: ${latin1(report)}`);
    return {
      kind: made.map((report) => `${report[0]} ${report.length > 20}`).join(),
      value: qmqpResult(bytes(input)) ?? "",
    };
  },
);

export const readers: readonly Engine[] = [
  cdb,
  rules,
  anyRule,
  tokens,
  header,
  dotQmail,
  paths,
  ips,
  envelope,
  reports,
];
