/** The explanation as a person reads it: a line for each decision, and what it leads to below it. */
import type { Paint } from "../paint.ts";
import { padTo, shown } from "../shown.ts";
import type { Explanation, LineExplained, LocalWay, Outcome, RemoteWay } from "./model.ts";

const labelWidth = 15;

const verdicts: Readonly<Record<Outcome, (paint: Paint) => string>> = {
  delivered: (paint) => paint.good("delivered"),
  deferred: (paint) => paint.waiting("deferred"),
  bounced: (paint) => paint.bad("bounced"),
};

/** The lines of an explanation. */
export function explanationLines(explanation: Explanation, paint: Paint, indent = ""): string[] {
  const row = (label: string, text: string): string =>
    `${indent}  ${paint.quiet(padTo(label, labelWidth))} ${text}`;
  const { address, fromStrangers, rewritten, recipient, local, remote, outcome, report } = explanation;
  const lines = [`${indent}${paint.strong(shown(address))}`];
  if (fromStrangers !== undefined)
    lines.push(
      row("rcpthosts", fromStrangers ? "taken from strangers by SMTP" : "not taken from strangers by SMTP"),
    );
  for (const { by, address: next } of rewritten) lines.push(row(by, `becomes ${shown(next)}`));
  lines.push(row(...ruleText(explanation)));
  if (local !== undefined) lines.push(...localLines(local, row, paint, indent));
  else if (remote !== undefined) lines.push(...remoteLines(remote, row));
  else if (recipient.startsWith("@")) lines.push(row("nobody", "the empty address: nothing is delivered"));
  const why = report === undefined ? "" : `: ${shown(report).replaceAll("\\x0a", " ")}`;
  const word =
    outcome === "delivered" && remote !== undefined ? paint.good("sent") : verdicts[outcome](paint);
  lines.push(row("=>", word + why));
  return lines;
}

function ruleText({ rule, recipient }: Explanation): [string, string] {
  if (rule.kind === "locals") return ["locals", `${shown(rule.host)} is local`];
  if (rule.kind === "virtualdomains")
    return ["virtualdomains", `${shown(`${rule.key}:${rule.prepend}`)} makes it ${shown(recipient)}, local`];
  if (rule.exception !== undefined)
    return ["virtualdomains", `${shown(rule.exception)}: is an exception, remote`];
  return ["remote", "neither locals nor virtualdomains has it"];
}

type Row = (label: string, text: string) => string;

function localLines(way: LocalWay, row: Row, paint: Paint, indent: string): string[] {
  const extension =
    way.dash === "" && way.extension === ""
      ? ""
      : `, dash "${shown(way.dash)}", ext "${shown(way.extension)}"`;
  const lines = [
    row(way.by, `user ${shown(way.user)}, uid ${way.uid}, gid ${way.gid}${extension}`),
    row("home", shown(way.home)),
  ];
  const missed = way.candidates.filter(({ found }) => !found).map(({ name }) => shown(name));
  if (missed.length > 0) lines.push(row("not there", missed.join(", ")));
  if (way.file !== undefined) {
    const matched = way.matched === undefined ? "" : ` ("default" stands for "${shown(way.matched)}")`;
    lines.push(row("file", `${shown(way.file)}${matched}${way.defaultDelivery ? ", which is empty" : ""}`));
  }
  if (way.newSender !== undefined) lines.push(row("new sender", shown(way.newSender)));
  for (const line of way.lines) {
    const label = way.defaultDelivery ? "default" : `line ${line.number}`;
    lines.push(row(label, lineText(line, paint)));
    if (line.leads !== undefined) lines.push(...explanationLines(line.leads, paint, `${indent}      `));
  }
  return lines;
}

function lineText({ does, text, argument = "", trouble }: LineExplained, paint: Paint): string {
  const what = shown(argument);
  const words: Readonly<Record<LineExplained["does"], string>> = {
    comment: paint.quiet(`comment ${shown(text)}`),
    nothing: paint.quiet(text === "" ? "blank" : `${shown(text)} means nothing`),
    list: "+list: from here on only forwards are allowed",
    maildir: `maildir ${what}`,
    mbox: `mbox ${what}`,
    program: `program ${what}`,
    forward: `forward to ${what}`,
  };
  return `${words[does]}${trouble === undefined ? "" : ` ${paint.bad(shown(trouble))}`}`;
}

function remoteLines({ host, protocol, relay, port, addresses }: RemoteWay, row: Row): string[] {
  if (protocol === undefined) return [row("host", shown(host))];
  const by = relay === undefined ? "MX" : `${protocol}routes`;
  const to = relay === undefined ? `exchangers of ${shown(host)}` : `${shown(host)} goes to ${shown(relay)}`;
  const rows = addresses.map(({ address, preference }) =>
    row("address", `${address} port ${port}${relay === undefined ? `, preference ${preference}` : ""}`),
  );
  return [row(by, `${to}, by ${protocol.toUpperCase()}`), ...rows];
}
