/** tcp-env without the DNS, and what becomes of the program; the recorded cases are in test/conformance. */
import { expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { connection } from "../conformance/connection.ts";
import { bin, run, Scratch } from "../helpers/built.ts";

const inConnection = { PROTO: "TCP" };

// Below the ports that the system gives to whoever asks for any.
test("the variables of a connection; a DNS that does not answer is said to be soft", async () => {
  const made = connection(22526, 22527, "");
  const child = Bun.spawn([join(bin, "tcp-env"), "-R", "sh", "-c", "env | grep -a TCP | sort"], {
    stdio: [made.server, "pipe", "inherit"],
    env: { PATH: "/usr/bin:/bin", DNSCACHEIP: "127.0.0.1:1", TCPREMOTEINFO: "old" },
  });
  closeSync(made.server);
  const output = await child.stdout.text();
  made.close();
  expect(output.split("\n").slice(0, -1)).toEqual([
    "PROTO=TCP",
    "TCPLOCALHOST=softdnserror",
    "TCPLOCALIP=127.0.0.1",
    "TCPLOCALPORT=22526",
    "TCPREMOTEHOST=softdnserror",
    "TCPREMOTEIP=127.0.0.1",
    "TCPREMOTEPORT=22527",
  ]);
});

test("the program finds signals as they should be", async () => {
  const { stdout } = await run("tcp-env", {
    args: ["grep", "SigIgn", "/proc/self/status"],
    env: inConnection,
  });
  expect(stdout).toBe("SigIgn:\t0000000000000000\n");
});

test("a script without #! is one for sh, also in PATH", async () => {
  using scratch = new Scratch();
  scratch.write("deep/script", 'echo "$1"\n', 0o755);
  scratch.write("script", "not this: it is not executable\n");
  const PATH = `${scratch.path}:${scratch.in("deep")}:/bin`;
  const { code, stdout } = await run("tcp-env", { args: ["script", "x"], env: { ...inConnection, PATH } });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "x\n" });
});

test("one of our own programs runs in the same process", async () => {
  const args = [join(bin, "except"), "false"];
  expect(await run("tcp-env", { args, env: inConnection })).toMatchObject({ code: 0, stderr: "" });
});

for (const args of [["-t"], ["-t5"], ["-z"], ["--", "/no/such"], ["no-such-program"], ["/"]] as const) {
  test(`${args.join(" ")} is a failure without words`, async () => {
    expect(await run("tcp-env", { args, env: inConnection })).toMatchObject({
      code: 111,
      stdout: "",
      stderr: "",
    });
  });
}
