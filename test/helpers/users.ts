/** The users and groups of a system-wide qmail, by number, as the tests lay them out in a private /etc. */

/** User numbers; `unpriv` is an unprivileged user that is not any mail user. */
export const userNumbers: Readonly<Record<string, number>> = {
  root: 0,
  alias: 1001,
  qmaild: 1002,
  qmaill: 1003,
  qmailp: 1004,
  qmailq: 1005,
  qmailr: 1006,
  qmails: 1007,
  unpriv: 65534,
};

export const nofiles = 1001;
export const qmailGroup = 1002;

/** The primary group of a user. */
export function groupOf(user: string): number {
  if (["qmailq", "qmailr", "qmails"].includes(user)) return qmailGroup;
  if (["alias", "qmaild", "qmaill", "qmailp"].includes(user)) return nofiles;
  return userNumbers[user] ?? 0;
}

const mailUsers = ["alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails"];

/** Lines of /etc/passwd for qmail's users. */
export function passwdLines(qmailHome: string): string[] {
  return mailUsers.map((user) => {
    const home = user === "alias" ? `${qmailHome}/alias` : qmailHome;
    return `${user}:x:${userNumbers[user]}:${groupOf(user)}::${home}:/bin/true`;
  });
}

/** Lines of /etc/group for qmail's groups. */
export const groupLines = [`nofiles:x:${nofiles}:`, `qmail:x:${qmailGroup}:`];
