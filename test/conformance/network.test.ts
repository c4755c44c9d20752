/** The recorded sessions of the servers once more, over real connections, byte by byte: the same bytes come back. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { bin } from "../helpers/built.ts";

const hasTcpserver = Bun.which("tcpserver") !== null;

/** How, and the fewest cases that must pass so. */
const modes: readonly (readonly ["tcpserver" | "listen", number, boolean])[] = [
  ["tcpserver", 830, hasTcpserver],
  ["listen", 499, true],
];
for (const [via, least, present] of modes) {
  const name = `recorded sessions in single bytes: ${via}`;
  test.skipIf(!present)(present ? name : `${name} (needs tcpserver)`, async () => {
    const runner = join(import.meta.dir, "run.ts");
    const child = Bun.spawn([process.execPath, runner, "--bin", bin, "--via", via, "--cut", "bytes"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output = await child.stdout.text();
    const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
    expect(failed, output).toBe("0");
    // An ordinary user has no other users to run cases as.
    if (process.geteuid?.() === 0) expect(Number(passed), output).toBeGreaterThanOrEqual(least);
  });
}
