/** tcprules and tcprulescheck beside those of ucspi-tcp: the same rules, either program's file read by either program. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programs, run } from "../scenarios/home.ts";
import { needing, OpenDirectory } from "./tools.ts";

setDefaultTimeout(900_000);

/** A set of rules, and clients (TCPREMOTEIP, TCPREMOTEHOST, TCPREMOTEINFO) that meet each of them or none. */
type Clients = readonly (readonly [ip: string, host?: string | undefined, info?: string])[];
const sets: readonly (readonly [kind: string, rules: string, clients: Clients])[] = [
  [
    "addresses, from the whole to nothing",
    `192.0.2.7:allow,A="1"\n192.0.2.:allow,A="2"\n192.0.:deny\n192.:allow,A="3"\n:deny\n`,
    [["192.0.2.7"], ["192.0.2.70"], ["192.0.3.7"], ["192.1.2.3"], ["1.2.3.4"], [""]],
  ],
  [
    "ranges",
    `10.0-3.:deny\n192.0.2.250-255:allow,R="top"\n192.0.2.9-11:deny\n172.16-31.:allow,R=":x:"\n007-8.:deny\n`,
    [["10.0.1.1"], ["10.3.9.9"], ["10.4.0.0"], ["192.0.2.252"], ["192.0.2.10"], ["192.0.2.12"]]
      .concat([
        ["172.15.0.1"],
        ["172.16.0.1"],
        ["172.31.255.255"],
        ["172.32.0.1"],
        ["7.1.1.1"],
        ["007.1.1.1"],
      ])
      .map(([ip = ""]) => [ip] as const),
  ],
  [
    "host names",
    `=mx.example.org:allow,H="host"\n=.example.org:allow,H="domain"\n=.org:deny\n=:allow,H="any"\n:deny\n`,
    [
      ["1.2.3.4", "mx.example.org"],
      ["1.2.3.4", "a.b.example.org"],
      ["1.2.3.4", "example.org"],
      ["1.2.3.4", "example.net"],
      ["1.2.3.4", "MX.example.org"],
      ["1.2.3.4"],
      ["1.2.3.4", ""],
    ],
  ],
  [
    "users",
    `joe@192.0.2.7:deny\njoe@=mx.example:allow,J="host"\n192.0.2.7:allow,J="nobody"\n@192.0.2.8:deny\n:allow\n`,
    [
      ["192.0.2.7", undefined, "joe"],
      ["192.0.2.7", undefined, "ann"],
      ["192.0.2.7"],
      ["192.0.2.9", "mx.example", "joe"],
      ["192.0.2.9", "mx.example", "ann"],
      ["192.0.2.8", undefined, ""],
    ],
  ],
  [
    "quotes, comments, blanks, empty values, many variables",
    `# all\n\n1.1.1.1:allow,E="",S=/a "b",c/,P=+x y+,Q="'"  \t\n1.1.1.2:deny,X="never set"\nnot a rule\n1.1.1.3:allow,V="1",V="2"\n1.1.1.4:allow\t\n`,
    [["1.1.1.1"], ["1.1.1.2"], ["1.1.1.3"], ["1.1.1.4"], ["1.1.1.5"]],
  ],
  ["no rules", "", [["1.2.3.4", "mx.example.org", "joe"]]],
  ["the same address twice", `1.2.3.4:deny\n1.2.3.4:allow,N="2"\n`, [["1.2.3.4"]]],
];

const needs = needing("beside ucspi-tcp", "tcprules", "tcprulescheck");
const path = "/usr/local/bin:/usr/bin:/bin";
const makers = { ours: programs, theirs: undefined };
const commandOf = (whose: keyof typeof makers, program: string) =>
  whose === "ours" ? join(programs, program) : (Bun.which(program, { PATH: path }) ?? program);

describe.skipIf(needs.skip)(needs.name, () => {
  for (const [kind, rules, clients] of sets)
    test(`${kind}: the same answers from either file by either program`, async () => {
      using directory = new OpenDirectory();
      const files: Record<string, string> = {};
      for (const maker of ["ours", "theirs"] as const) {
        const file = join(directory.path, maker);
        const made = await run([commandOf(maker, "tcprules"), file, `${file}.tmp`], { stdin: rules });
        expect(made).toEqual({ code: 0, stdout: "", stderr: "" });
        files[maker] = file;
      }
      const bytes = Object.values(files).map((file) => readFileSync(file));
      expect(bytes[0]?.equals(bytes[1] ?? Buffer.of())).toBe(true);
      for (const [ip, host, info] of clients) {
        const environment = {
          TCPREMOTEIP: ip,
          ...(host === undefined ? {} : { TCPREMOTEHOST: host }),
          ...(info === undefined ? {} : { TCPREMOTEINFO: info }),
        };
        const answers = [];
        for (const file of Object.values(files))
          for (const reader of ["ours", "theirs"] as const)
            answers.push(await run([commandOf(reader, "tcprulescheck"), file], { environment }));
        const [expected] = answers.slice(1);
        expect(expected?.stdout).toMatch(/^(rule .*|default):\n(.*\n)*(allow|deny) connection\n$/);
        expect(answers).toEqual(answers.map(() => expected ?? { code: -1, stdout: "", stderr: "" }));
      }
    });

  const wrong = ["1:bad", "1:allow,X", '1:allow,X="', "1:allow ,", "7-x:allow", "1:allowed", "1.2.3.4:"];
  test.each(wrong)("%s: both say the same, and leave the old rules", async (line) => {
    using directory = new OpenDirectory();
    const said = [];
    for (const maker of ["ours", "theirs"] as const) {
      const file = join(directory.path, maker);
      writeFileSync(file, "old");
      const made = await run([commandOf(maker, "tcprules"), file, `${file}.tmp`], {
        stdin: `:allow\n${line}\n`,
      });
      said.push({ ...made, now: readFileSync(file, "latin1") === "old" ? "old" : "new" });
    }
    expect(said[0]).toEqual(said[1]);
    expect(said[0]).toMatchObject({ code: 100, now: "old" });
  });
});
