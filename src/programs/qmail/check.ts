/** `qmail check`: what is wrong with a mail system, and how to mend it. */
import { check } from "../../core/cli/check/check.ts";
import type { Finding } from "../../core/cli/check/finding.ts";
import { type CommandRow, textOf } from "../../core/cli/options.ts";
import { standardHome } from "../../core/sys/home.ts";
import { colours, say } from "./say.ts";

/** There are faults. */
const faulty = 1;

export const checkCommand: CommandRow = {
  usage: "check",
  summary: "say what is wrong with a mail system, and how to mend it",
  group: "Looking:",
  options: [
    ["--home <dir>", "the mail system's home (default: $QMAILHOME, or else /var/qmail)"],
    ["--no-dns", "do not look names of hosts up"],
    ["--json", "print findings for programs"],
  ],
  examples: ["qmail check", "qmail check --home ~/qmail --no-dns"],
  run: async (given) => {
    const home = textOf(given, "home") ?? (process.env.QMAILHOME || standardHome);
    const { subject, findings } = await check(home, given.options.dns !== false);
    const faults = findings.filter(({ level }) => level === "fault");
    if (given.options.json === true) {
      const { home, system } = subject;
      say(
        JSON.stringify(
          { home, kind: system ? "system" : "private", faults: faults.length, findings },
          undefined,
          2,
        ),
      );
    } else {
      for (const finding of findings) show(finding);
      say(summary(subject.home, faults.length, findings.length - faults.length));
    }
    return faults.length > 0 ? faulty : 0;
  },
};

function show({ level, about, what, mend }: Finding): void {
  const paint = level === "fault" ? colours.bad : colours.waiting;
  say(`${paint(`${level}:`)} ${colours.strong(about)} ${what}`);
  if (mend !== "") say(`       ${colours.quiet("mend:")} ${mend}`);
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

function summary(home: string, faults: number, notes: number): string {
  if (faults > 0) return colours.bad(`${home}: ${counted(faults, "fault")}, ${counted(notes, "note")}`);
  return colours.good(`${home} is in order${notes === 0 ? "" : `; ${counted(notes, "note")}`}`);
}
