/** qsmhook: sendmail's flags and macros. */
import { expect, test } from "bun:test";
import { run } from "../helpers/built.ts";

const env = {
  UFLINE: "From s@t now\n",
  RPLINE: "Return-Path: <s@t>\n",
  DTLINE: "Delivered-To: l@h\n",
  LOCAL: "Joe-list",
  HOST: "h.example",
  SENDER: "s@t",
};
const stdin = Buffer.from("Subject: x\n\nbody\n");
const message = stdin.toString();

/** Arguments, exit code, output, words on descriptor 2. */
const rows: readonly (readonly [string[], number, string, string])[] = [
  [["cat"], 0, `${env.UFLINE}${message}`, ""],
  [["-n", "cat"], 0, message, ""],
  [["-nPl", "cat"], 0, `${env.RPLINE}${env.DTLINE}${message}`, ""],
  [["-DFMms", "cat"], 0, `${env.UFLINE}${message}`, ""],
  [["echo", "%g", "%h", "a%ub", "%%", "%q", "x%"], 0, "s@t h.example aJoe-listb %  x\n", ""],
  [["-x", "jOE-", "echo", "%u"], 0, "list\n", ""],
  [["-xother", "echo", "%u"], 0, "Joe-list\n", ""],
  [["sh", "-c", "exit 99"], 99, "", ""],
  [["sh", "-c", "kill -9 $$"], 111, "", "qsmhook: fatal: temporary problem\n"],
  [["no-such-command"], 100, "", "qsmhook: fatal: command not found\n"],
  [[], 100, "", "qsmhook: fatal: incorrect usage\n"],
  [["-z", "cat"], 100, "", "qsmhook: illegal option -- z\n"],
];

for (const [args, code, stdout, stderr] of rows)
  test(`qsmhook ${args.join(" ")}`, async () => {
    const result = await run("qsmhook", { args, env, stdin });
    expect(result.stderr).toBe(stderr);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe(stdout);
  });

test.each(Object.keys(env))("qsmhook without %s", async (name) => {
  const { [name]: _, ...rest } = env as Record<string, string>;
  const { code, stderr } = await run("qsmhook", { args: ["cat"], env: rest, stdin });
  expect(stderr).toBe("qsmhook: fatal: incorrect usage\n");
  expect(code).toBe(100);
});

test("qsmhook cannot read the message", async () => {
  const { code, stderr } = await run("qsmhook", { args: ["cat"], env, stdin: { file: "/" } });
  expect(stderr).toBe("qsmhook: fatal: unable to read message\n");
  expect(code).toBe(111);
});
