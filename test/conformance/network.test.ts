/** The recorded sessions of the servers once more, over real connections, whole and byte by byte: the same bytes come back. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { bin } from "../helpers/built.ts";

const hasTcpserver = Bun.which("tcpserver") !== null;

/** How, and the fewest cases that must pass so. Whole sessions of a process each are those of the recorded suite. */
const modes: readonly (readonly [via: "tcpserver" | "listen", cut: "whole" | "bytes", number, boolean])[] = [
  ["tcpserver", "bytes", 830, hasTcpserver],
  ["listen", "bytes", 724, true],
  ["listen", "whole", 724, true],
];
const cutWords = { whole: "whole", bytes: "in single bytes" } as const;
for (const [via, cut, least, present] of modes) {
  const name = `recorded sessions ${cutWords[cut]}: ${via}`;
  test.skipIf(!present)(present ? name : `${name} (needs tcpserver)`, async () => {
    const runner = join(import.meta.dir, "run.ts");
    const child = Bun.spawn([process.execPath, runner, "--bin", bin, "--via", via, "--cut", cut], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output = await child.stdout.text();
    const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
    expect(failed, output).toBe("0");
    // An ordinary user has no other users to run cases as.
    if (process.geteuid?.() === 0) expect(Number(passed), output).toBeGreaterThanOrEqual(least);
  });
}
