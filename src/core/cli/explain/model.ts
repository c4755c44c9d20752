/** What `qmail explain` finds out about an address. Addresses and names are text of bytes (latin1) until they are shown. */
import type { RoutingRule } from "../../mail/routing.ts";

/** What would become of a message: the beginning of its report. */
export type Outcome = "delivered" | "deferred" | "bounced";

/** One line of the instructions. */
export interface LineExplained {
  number: number;
  text: string;
  does: "comment" | "list" | "maildir" | "mbox" | "program" | "forward" | "nothing";
  /** The file, command or address, where it has one; files as absolute paths. */
  argument?: string;
  /** Why it fails. */
  trouble?: string;
  /** Where a forward goes on to; absent: it was not looked at, because there were too many. */
  leads?: Explanation;
}

/** A name under which the .qmail file was looked for. */
export interface Candidate {
  name: string;
  found: boolean;
}

/** The local half of the way. */
export interface LocalWay {
  by: "users/cdb" | "qmail-getpw";
  user: string;
  uid: number;
  gid: number;
  home: string;
  dash: string;
  extension: string;
  /** The .qmail files that were looked for, up to the one that was found. */
  candidates: Candidate[];
  /** The .qmail file that applies. */
  file?: string;
  /** What `default` in its name stands for. */
  matched?: string;
  /** The instructions are those of qmail-start, because there is no .qmail file or it is empty. */
  defaultDelivery: boolean;
  /** Envelope sender of what is forwarded. */
  newSender?: string;
  lines: LineExplained[];
}

/** The remote half of the way. */
export interface RemoteWay {
  host: string;
  protocol?: "smtp" | "qmtp";
  /** The host that smtproutes or qmtproutes names. */
  relay?: string;
  port?: number;
  /** Addresses to try, best first. */
  addresses: { address: string; preference: number }[];
}

/** The whole way of an address. */
export interface Explanation {
  address: string;
  /** Whether qmail-smtpd takes mail for it from strangers (rcpthosts, morercpthosts); only of what was asked about. */
  fromStrangers?: boolean;
  rewritten: readonly { by: "envnoathost" | "percenthack"; address: string }[];
  rule: RoutingRule;
  channel: "local" | "remote";
  /** As qmail-send gives it to its spawner. */
  recipient: string;
  local?: LocalWay;
  remote?: RemoteWay;
  outcome: Outcome;
  /** The report, where it is not delivered. */
  report?: string;
}
