/** Whether the names in the control files exist for others. */
import { join } from "node:path";
import { controlLine, controlLines } from "../../control/control.ts";
import { literalAddress, mailExchangers } from "../../net/exchangers.ts";
import { Resolver, systemSettings } from "../../net/resolver.ts";
import { attempt } from "../trouble.ts";
import { type Finding, fault, note, type Subject } from "./finding.ts";

/** Which hosts are looked up: this one, by the names it says, and those it takes mail for. */
const values = ["me", "helohost"];
const lists = ["locals", "rcpthosts", "virtualdomains"];

/** Names that mean something on this machine only. */
const isOurOwn = (host: string): boolean =>
  !host.includes(".") || /(^|\.)(localhost|localdomain)$/.test(host) || literalAddress(host) !== undefined;

const seconds = 5;

/** Looks each name up. The first that DNS does not answer ends it: then it cannot be told. */
export async function dnsFindings({ home }: Subject): Promise<Finding[]> {
  const names = new Resolver({ ...systemSettings(), seconds, attempts: 1 });
  const findings: Finding[] = [];
  for (const [host, file] of hostsOf()) {
    const about = join(home, "control", file);
    const found = await mailExchangers(names, host);
    if (
      found.kind === "unknown" ||
      (found.kind === "found" && found.incomplete && found.exchangers.length === 0)
    ) {
      findings.push(
        note(
          "dns",
          about,
          `DNS does not answer for ${host}; no more names were looked up`,
          "try again later",
        ),
      );
      return findings;
    }
    if (found.kind === "absent" || found.exchangers.length === 0)
      findings.push(
        fault(
          "dns",
          about,
          `DNS knows no host ${host}: mail for it and answers to it do not arrive`,
          `have an MX or address record made for ${host}`,
        ),
      );
  }
  return findings;
}

/** Each host once, with the file that names it. */
function hostsOf(): Map<string, string> {
  const hosts = new Map<string, string>();
  const add = (file: string, line: Buffer | undefined): void => {
    const key = line?.toString("latin1").toLowerCase().split(":", 1)[0] ?? "";
    const host = key.slice(key.lastIndexOf("@") + 1);
    if (host !== "" && !host.startsWith(".") && !isOurOwn(host) && !hosts.has(host)) hosts.set(host, file);
  };
  for (const file of values)
    add(
      file,
      attempt(`read control/${file}`, () => controlLine(file)),
    );
  for (const file of lists)
    for (const line of attempt(`read control/${file}`, () => controlLines(file)) ?? []) add(file, line);
  return hosts;
}
