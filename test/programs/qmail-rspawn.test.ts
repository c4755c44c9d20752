/** qmail-rspawn beyond the recorded cases. */
import { afterAll, expect, test } from "bun:test";
import { PrivateHome } from "../helpers/spawner.ts";

const home = new PrivateHome();
afterAll(() => home.remove());

async function deliverOnce(
  recipient: Uint8Array | string,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const spawner = home.start("qmail-rspawn", [], more);
  await spawner.deliver(9, recipient);
  const [delivery, report] = await spawner.report();
  expect(delivery).toBe(9);
  expect(await spawner.end()).toBe(0);
  return report;
}

test("no mail bounces because qmail-remote is not installed", async () => {
  expect(await deliverOnce("j@h.example")).toBe("ZUnable to run qmail-remote.\n");
});

test("host, sender and recipient, as bytes", async () => {
  home.script("remote", 'printf "r\\0K%s|%s|%s\\n\\0" "$@"');
  const recipient = Buffer.from("j\xe9@sub@h\xff.example", "latin1");
  expect(await deliverOnce(recipient, { QMAILREMOTE: `${home.path}/bin/remote` })).toBe(
    "Kh\xff.example|a@b|j\xe9@sub@h\xff.example\n",
  );
});

test("a recipient that ends in @ has an empty host", async () => {
  home.script("remote", 'printf "r\\0K%s|%s|%s\\n\\0" "$@"');
  expect(await deliverOnce("j@", { QMAILREMOTE: `${home.path}/bin/remote` })).toBe("K|a@b|j@\n");
});

test("output without end is stopped, and is no reason to bounce", async () => {
  home.script("remote", "head -c 3000000 /dev/zero | tr '\\0' a; printf '\\0Kok\\0'");
  expect(await deliverOnce("j@h", { QMAILREMOTE: `${home.path}/bin/remote` })).toBe(
    "Zqmail-remote produced too much output.\n",
  );
});

test("with numbers of two bytes there are more than 255 slots", async () => {
  home.script("remote", 'printf "r\\0K%s|%s|%s\\n\\0" "$@"');
  const more = { QMAILREMOTE: `${home.path}/bin/remote`, QMAILSLOTWIDTH: "2" };
  const spawner = home.start("qmail-rspawn", [], more);
  for (const slot of [300, 0, 2]) {
    await spawner.deliver(slot, "j@h");
    expect(await spawner.report()).toEqual([slot, "Kh|a@b|j@h\n"]);
  }
  await spawner.deliver(65535, "j@h");
  expect(await spawner.report()).toEqual([65535, "ZInternal error: delnum too big. (#4.3.5)\n"]);
  expect(await spawner.end()).toBe(0);
});

test("what qmail-start says about numbers does not reach the programs that are run", async () => {
  home.script("remote", 'printf "r\\0K%s\\n\\0" "$(env | grep -c QMAILSLOT)"');
  const more = { QMAILREMOTE: `${home.path}/bin/remote`, QMAILSLOTWIDTH: "2" };
  const spawner = home.start("qmail-rspawn", [], more);
  await spawner.deliver(1, "j@h");
  expect(await spawner.report()).toEqual([1, "K0\n"]);
  expect(await spawner.end()).toBe(0);
});
