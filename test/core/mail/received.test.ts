import { expect, test } from "bun:test";
import { receivedField } from "../../../src/core/mail/received.ts";

const receipt = {
  protocol: "SMTP",
  local: "silverton.berkeley.edu",
  remoteIp: "192.48.96.5",
  remoteHost: "relay1.uu.net",
};
const rows: readonly (readonly [string, object, string])[] = [
  [
    "as little as possible",
    {},
    "Received: from relay1.uu.net (192.48.96.5)\n  by silverton.berkeley.edu with SMTP; 26 Sep 1995 04:46:54 -0000\n",
  ],
  [
    "with user and greeting",
    { remoteInfo: "7", helo: "uunet.uu.net" },
    "Received: from relay1.uu.net (HELO uunet.uu.net) (7@192.48.96.5)\n" +
      "  by silverton.berkeley.edu with SMTP; 26 Sep 1995 04:46:54 -0000\n",
  ],
  [
    "unsafe bytes",
    { helo: Buffer.from("a b\n(c)\xe9", "latin1"), remoteInfo: "" },
    "Received: from relay1.uu.net (HELO a?b??c??) (@192.48.96.5)\n" +
      "  by silverton.berkeley.edu with SMTP; 26 Sep 1995 04:46:54 -0000\n",
  ],
];
for (const [about, more, field] of rows) {
  test(about, () => {
    expect(receivedField({ ...receipt, ...more }, 812090814).toString("latin1")).toBe(field);
  });
}
