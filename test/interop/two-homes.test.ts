/** Two homes, NSD between them: what two-homes.ts observed. Needs root. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { needing } from "./tools.ts";
import type { Observed, Step } from "./two-homes.ts";

setDefaultTimeout(900_000);

const needs = needing("two homes and the DNS, as root", "nsd", "ip");
describe.skipIf(needs.skip || !canUnshare())(needs.name, () => {
  let seen: Observed;
  beforeAll(async () => {
    const work = mkdtempSync(join(tmpdir(), "qmail-interop-"));
    const command = [...unshare, process.execPath, join(import.meta.dir, "two-homes.ts"), work];
    const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    rmSync(work, { recursive: true });
    if ((await child.exited) !== 0) throw new Error(err);
    seen = JSON.parse(out) as Observed;
  });

  /** One message has arrived, intact, at this address by this protocol, and its sender was told so. */
  function expectOne({ mail, log }: Step, to: string, address: string, protocol: string): void {
    expect(mail.length).toBe(1);
    const [text = ""] = mail;
    expect(text).toContain(`\nDelivered-To: ${to}\n`);
    expect(text).toContain(`\n  by ${address} with ${protocol}; `);
    expect(text).toEndWith("\nSubject: a letter\n\n\xe4\n.\nend\n");
    expect(log.split(": success: ").length).toBe(2);
    expect(log).toContain(`: success: ${address}_accepted_message.`);
  }

  test("mail goes to the first MX by SMTP", () => {
    expectOne(seen.there, "joe@b.example", "127.0.0.3", "SMTP");
  });
  test("and back", () => expectOne(seen.back, "ann@a.example", "127.0.0.2", "SMTP"));
  test("qmtproutes: by QMTP", () => expectOne(seen.qmtp, "joe@b.example", "127.0.0.3", "QMTP"));

  test("SERVFAIL defers; the mail arrives once the name server knows", () => {
    expect(seen.trouble.log).toMatch(/: deferral: .*\(#4\.1\.2\)/);
    expect(seen.trouble.log).not.toMatch(/: (success|failure): /);
    expect(seen.trouble.mail).toEqual([]);
    expectOne(seen.mended, "joe@trouble.example", "127.0.0.3", "SMTP");
  });

  test("NXDOMAIN bounces", () => {
    expect(seen.nowhere.log).toMatch(/: failure: .*\(#5\.1\.2\)/);
    expect(seen.nowhere.mail.length).toBe(1);
    expect(seen.nowhere.mail[0]).toStartWith("Return-Path: <>\nDelivered-To: ann@a.example\n");
    expect(seen.nowhere.mail[0]).toContain("\n<joe@nowhere.example>:\n");
  });

  test("the first MX is down: the second takes over", () => {
    expectOne(seen.second, "joe@b.example", "127.0.0.4", "SMTP");
  });
  test("both are down: deferred, and delivered once one is back", () => {
    expect(seen.none.log).toMatch(/: deferral: .*\(#4\.4\.1\)/);
    expect(seen.none.mail).toEqual([]);
    expectOne(seen.again, "joe@b.example", "127.0.0.4", "SMTP");
  });
});
