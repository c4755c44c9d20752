/** Signals to the qmail-send of a whole mail system, from its first moment on. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateHome, readProcess, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";

setDefaultTimeout(900_000);

test("HUPs and ALRMs while it starts do not end it, and the next HUP counts", async () => {
  const home = new PrivateHome();
  writeFileSync(join(home.maildir, "../.qmail-default"), "./Maildir/\n");
  try {
    for (let round = 0; round < 3; round++) {
      const daemons = home.start();
      const [send = 0] = daemons.processes();
      expect(await until(patience, () => readProcess(send, "comm") === "qmail-send\n")).toBe(true);
      for (let count = 0; count < 100; count++) {
        daemons.signal(count % 2 === 0 ? "SIGHUP" : "SIGALRM");
        await Bun.sleep(2);
      }
      writeFileSync(join(home.path, "control/virtualdomains"), `round${round}.example:${home.user}\n`);
      daemons.signal("SIGHUP");
      // A signal is older than what is injected after it was handled.
      await Bun.sleep(500);
      home.run("qmail-inject", "-fa@b", `x@round${round}.example`);
      expect(await until(patience, () => home.delivered().length === round + 1)).toBe(true);
      daemons.signal("SIGTERM");
      expect(await daemons.ended()).toBe(0);
    }
  } finally {
    await home.remove();
  }
});
