/** `qmail check`: everything about a home that can be seen to be wrong. Changes nothing. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { accountByName, accountByUid } from "../../sys/passwd.ts";
import { isPrivateHome } from "../setup/preflight.ts";
import { lookAt } from "../setup/step.ts";
import { attempt, refuse } from "../trouble.ts";
import { controlFindings } from "./control.ts";
import { dnsFindings } from "./dns.ts";
import { type Finding, nameOf, type Subject } from "./finding.ts";
import { queueFindings } from "./queue.ts";
import { programFindings, spaceFindings, treeFindings } from "./tree.ts";
import { accountFindings, assignFindings, passwordFindings } from "./users.ts";

/** What was found. */
export interface CheckResult {
  subject: Subject;
  findings: Finding[];
}

/** Looks at a home. Refuses (100) what is no home, and what this process may not see. */
export async function check(given: string, askDns: boolean): Promise<CheckResult> {
  const subject = subjectAt(resolve(given));
  // All that reads control files and users finds them by this.
  process.env.QMAILHOME = subject.home;
  const findings = [
    ...accountFindings(subject),
    ...passwordFindings(subject),
    ...treeFindings(subject),
    ...programFindings(subject),
    ...controlFindings(subject),
    ...assignFindings(subject),
    ...queueFindings(subject),
    ...spaceFindings(subject),
    ...(askDns ? await dnsFindings(subject) : []),
  ];
  return { subject, findings };
}

/** A home is system-wide where its queue belongs to qmailq, or would if it were there; see qmail-home(7). */
function subjectAt(home: string): Subject {
  if (lookAt(join(home, "control")) === undefined && lookAt(join(home, "queue")) === undefined)
    throw refuse(`${home} is no qmail home: it has neither control nor queue`);
  const { uid, gid } = attempt(`examine ${home}`, () => statSync(home));
  const queue = lookAt(join(home, "queue"))?.uid ?? uid;
  const qmailq = accountByName("qmailq")?.uid;
  const system = queue !== uid || (uid === 0 && (queue === qmailq || !isPrivateHome(home)));
  const me = process.geteuid?.();
  if (me !== 0 && (system || me !== uid))
    throw refuse(`only root${system ? "" : " and its owner"} can look at all of ${home}`);
  return { home, system, owner: { uid, gid, name: nameOf(accountByUid(uid), uid) } };
}
