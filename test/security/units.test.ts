/** The units for systemd confine what they start as far as set-user-id programs allow. Needs systemd-analyze. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dir, "../../service/systemd");
const hasSystemd = Bun.which("systemd-analyze") !== null;

/** The most exposure, in tenths, that systemd-analyze may find. Deliveries run what their users want to. */
const most = {
  "qmail-smtpd.service": 30,
  "qmail-qmtpd.service": 30,
  "qmail-qmqpd.service": 30,
  "qmail-pop3d.service": 30,
  "qmail-smtpd@.service": 60,
  "qmail-send.service": 60,
};

for (const [unit, threshold] of Object.entries(most)) {
  test.skipIf(!hasSystemd)(
    `${unit} is exposed no more than ${threshold} tenths (needs systemd-analyze)`,
    () => {
      const words = [
        "security",
        "--offline=true",
        `--threshold=${threshold}`,
        "--no-pager",
        join(folder, unit),
      ];
      expect(Bun.spawnSync(["systemd-analyze", ...words]).exitCode).toBe(0);
    },
  );
  test(`${unit} leaves no core file of qmail's`, () => {
    expect(readFileSync(join(folder, unit), "latin1")).toMatch(/^LimitCORE=0(:infinity)?$/m);
  });
  test.skipIf(unit.includes("@"))(`${unit} goes on where the kernel ends one process for its memory`, () => {
    expect(readFileSync(join(folder, unit), "latin1")).toMatch(/^OOMPolicy=continue$/m);
  });
}
