/** tcprules and tcprulescheck; where ucspi-tcp is installed, side by side with its own. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { bin, run, Scratch } from "../helpers/built.ts";

const rules = `# who may
1.2.3.4:allow,RELAYCLIENT="",X=/a b/
10.0-3.:deny
=.x.org:allow${" \t"}

joe@1.2.3.5:deny,A="b"
joe@1.2.3.6:allow,A="b",A=xcx
no colon
10.2.:allow
2001:db8::allow,SIX="6"
:allow,LAST="1"
`;

const clients: readonly (readonly [Record<string, string>, string])[] = [
  [
    { TCPREMOTEIP: "1.2.3.4" },
    "rule 1.2.3.4:\nset environment variable RELAYCLIENT=\nset environment variable X=a b\nallow connection\n",
  ],
  [{ TCPREMOTEIP: "10.2.9.9" }, "rule 10.2.:\ndeny connection\n"],
  [{ TCPREMOTEIP: "10.4.9.9" }, "rule :\nset environment variable LAST=1\nallow connection\n"],
  [{ TCPREMOTEIP: "1.2.3.5", TCPREMOTEINFO: "joe" }, "rule joe@1.2.3.5:\ndeny connection\n"],
  [{ TCPREMOTEIP: "2001:db8:1::2" }, "rule 2001:db8::\nset environment variable SIX=6\nallow connection\n"],
  [{ TCPREMOTEIP: "9.9.9.9", TCPREMOTEHOST: "a.b.x.org" }, "rule =.x.org:\nallow connection\n"],
];

const wrong = ["1:bad", "1:allow,X", '1:allow,X="', "1:allow ,", "7-x:allow", "1:allowed"];
const oracle = Bun.which("tcprules");

async function compile(folder: Scratch, program: string, text: string) {
  const child = Bun.spawn([program, folder.in("cdb"), folder.in("tmp")], {
    stdio: [Buffer.from(text), "ignore", "pipe"],
    env: {},
  });
  return { stderr: await new Response(child.stderr).text(), code: await child.exited };
}

test("what is compiled is what is found", async () => {
  using folder = new Scratch();
  expect(await compile(folder, join(bin, "tcprules"), rules)).toEqual({ stderr: "", code: 0 });
  for (const [env, answer] of clients)
    expect(await run("tcprulescheck", { args: [folder.in("cdb")], env })).toMatchObject({
      code: 0,
      stdout: answer,
    });
  folder.write("cdb", "");
  expect((await run("tcprulescheck", { args: [folder.in("cdb")] })).stderr).toEndWith(
    "cdb: protocol error\n",
  );
});

test("a wrong line is named, and the rules stay as they were", async () => {
  using folder = new Scratch();
  folder.write("cdb", "old");
  for (const line of wrong)
    expect(await compile(folder, join(bin, "tcprules"), `:allow\n${line}\n`)).toEqual({
      code: 100,
      stderr: `tcprules: fatal: unable to parse this line: ${line}\n`,
    });
  expect(folder.read("cdb")).toBe("old");
  expect(readdirSync(folder.path)).toEqual(["cdb"]);
});

test.skipIf(oracle === null)(
  `ucspi-tcp's tcprules makes the same file${oracle === null ? " (it is not installed)" : ""}`,
  async () => {
    using folder = new Scratch();
    for (const text of [
      rules.replace(/^2001.*\n/m, ""),
      "",
      "1.2-4.x:deny\n007-8:deny\n-:allow\n3-:deny\n5-3:deny\nx@1-2:deny\n:deny",
      ...wrong,
    ]) {
      const made = [];
      for (const program of [join(bin, "tcprules"), oracle ?? ""]) {
        folder.write("cdb", "old");
        made.push([await compile(folder, program, text), folder.read("cdb")]);
      }
      expect(made[0]).toEqual(made[1]);
    }
  },
);
