/**
 * The registry of programs: the one place that says what exists. main, the build, the tests and the manual read it.
 * A program is a module that exports `main`; it is loaded only when it is called.
 */

/**
 * What a program gets: its arguments as bytes, without argument 0, and the last part of argument 0. What it returns
 * is its exit code.
 */
export type Main = (args: Buffer[], called: string) => number | Promise<number>;

/** One row of the registry. */
export interface Program {
  /** Name of the executable, of its file in src/programs and of its man page. */
  name: string;
  /** Section of the manual that describes it. */
  section: 1 | 5 | 7 | 8;
  /** One line, as in the NAME section of its man page. */
  summary: string;
  load: () => Promise<{ main: Main }>;
}

/** All programs, sorted by name. */
export const programs: readonly Program[] = [
  {
    name: "bouncesaying",
    section: 1,
    summary: "sometimes bounce mail",
    load: () => import("./programs/bouncesaying.ts"),
  },
  {
    name: "checkpassword",
    section: 8,
    summary: "check a password and become its user",
    load: () => import("./programs/checkpassword.ts"),
  },
  {
    name: "condredirect",
    section: 1,
    summary: "perhaps redirect mail to another address",
    load: () => import("./programs/condredirect.ts"),
  },
  {
    name: "datemail",
    section: 1,
    summary: "send mail with a Date in local time",
    load: () => import("./programs/datemail.ts"),
  },
  {
    name: "elq",
    section: 1,
    summary: "read new mail with elm",
    load: () => import("./programs/elq.ts"),
  },
  {
    name: "except",
    section: 1,
    summary: "reverse the exit code of a program",
    load: () => import("./programs/except.ts"),
  },
  {
    name: "forward",
    section: 1,
    summary: "forward new mail to one or more addresses",
    load: () => import("./programs/forward.ts"),
  },
  {
    name: "maildir2mbox",
    section: 1,
    summary: "move mail from a maildir to an mbox",
    load: () => import("./programs/maildir2mbox.ts"),
  },
  {
    name: "maildirmake",
    section: 1,
    summary: "make a maildir",
    load: () => import("./programs/maildirmake.ts"),
  },
  {
    name: "maildirwatch",
    section: 1,
    summary: "show new mail twice a minute",
    load: () => import("./programs/maildirwatch.ts"),
  },
  {
    name: "mailsubj",
    section: 1,
    summary: "send mail with a subject",
    load: () => import("./programs/mailsubj.ts"),
  },
  {
    name: "pinq",
    section: 1,
    summary: "read new mail with pine",
    load: () => import("./programs/pinq.ts"),
  },
  {
    name: "predate",
    section: 1,
    summary: "give a Date in local time to a program",
    load: () => import("./programs/predate.ts"),
  },
  {
    name: "preline",
    section: 1,
    summary: "prepend lines to message",
    load: () => import("./programs/preline.ts"),
  },
  {
    name: "qail",
    section: 1,
    summary: "read new mail with Mail",
    load: () => import("./programs/qail.ts"),
  },
  {
    name: "qbiff",
    section: 1,
    summary: "announce new mail the moment it arrives",
    load: () => import("./programs/qbiff.ts"),
  },
  {
    name: "qmail",
    section: 1,
    summary: "set up a mail system, see what it does, and act on its queue",
    load: () => import("./programs/qmail.ts"),
  },
  {
    name: "qmail-clean",
    section: 8,
    summary: "clean up the queue directory",
    load: () => import("./programs/qmail-clean.ts"),
  },
  {
    name: "qmail-getpw",
    section: 8,
    summary: "give addresses to users",
    load: () => import("./programs/qmail-getpw.ts"),
  },
  {
    name: "qmail-inject",
    section: 8,
    summary: "preprocess and send a mail message",
    load: () => import("./programs/qmail-inject.ts"),
  },
  {
    name: "qmail-local",
    section: 8,
    summary: "deliver or forward a mail message",
    load: () => import("./programs/qmail-local.ts"),
  },
  {
    name: "qmail-lspawn",
    section: 8,
    summary: "schedule local deliveries",
    load: () => import("./programs/qmail-lspawn.ts"),
  },
  {
    name: "qmail-newmrh",
    section: 8,
    summary: "prepare morercpthosts for qmail-smtpd",
    load: () => import("./programs/qmail-newmrh.ts"),
  },
  {
    name: "qmail-newu",
    section: 8,
    summary: "prepare address assignments for qmail-lspawn",
    load: () => import("./programs/qmail-newu.ts"),
  },
  {
    name: "qmail-pop3d",
    section: 8,
    summary: "distribute mail via POP",
    load: () => import("./programs/qmail-pop3d.ts"),
  },
  {
    name: "qmail-popup",
    section: 8,
    summary: "read a POP username and password",
    load: () => import("./programs/qmail-popup.ts"),
  },
  {
    name: "qmail-pw2u",
    section: 8,
    summary: "build address assignments from a passwd file",
    load: () => import("./programs/qmail-pw2u.ts"),
  },
  {
    name: "qmail-qmqpc",
    section: 8,
    summary: "queue a mail message via QMQP",
    load: () => import("./programs/qmail-qmqpc.ts"),
  },
  {
    name: "qmail-qmqpd",
    section: 8,
    summary: "receive mail via QMQP",
    load: () => import("./programs/qmail-qmqpd.ts"),
  },
  {
    name: "qmail-qmtpd",
    section: 8,
    summary: "receive mail via QMTP",
    load: () => import("./programs/qmail-qmtpd.ts"),
  },
  {
    name: "qmail-qread",
    section: 8,
    summary: "list outgoing messages and recipients",
    load: () => import("./programs/qmail-qread.ts"),
  },
  {
    name: "qmail-qstat",
    section: 8,
    summary: "summarize status of mail queue",
    load: () => import("./programs/qmail-qstat.ts"),
  },
  {
    name: "qmail-queue",
    section: 8,
    summary: "queue a mail message for delivery",
    load: () => import("./programs/qmail-queue.ts"),
  },
  {
    name: "qmail-remote",
    section: 8,
    summary: "send mail via SMTP",
    load: () => import("./programs/qmail-remote.ts"),
  },
  {
    name: "qmail-rspawn",
    section: 8,
    summary: "schedule remote deliveries",
    load: () => import("./programs/qmail-rspawn.ts"),
  },
  {
    name: "qmail-send",
    section: 8,
    summary: "deliver mail messages from the queue",
    load: () => import("./programs/qmail-send.ts"),
  },
  {
    name: "qmail-showctl",
    section: 8,
    summary: "analyze the qmail configuration files",
    load: () => import("./programs/qmail-showctl.ts"),
  },
  {
    name: "qmail-smtpd",
    section: 8,
    summary: "receive mail via SMTP",
    load: () => import("./programs/qmail-smtpd.ts"),
  },
  {
    name: "qmail-start",
    section: 8,
    summary: "turn on mail delivery",
    load: () => import("./programs/qmail-start.ts"),
  },
  {
    name: "qmail-tcpok",
    section: 8,
    summary: "clear the table of hosts that did not answer",
    load: () => import("./programs/qmail-tcpok.ts"),
  },
  {
    name: "qmail-tcpto",
    section: 8,
    summary: "print the table of hosts that did not answer",
    load: () => import("./programs/qmail-tcpto.ts"),
  },
  {
    name: "qreceipt",
    section: 1,
    summary: "respond to delivery-notice requests",
    load: () => import("./programs/qreceipt.ts"),
  },
  {
    name: "qsmhook",
    section: 1,
    summary: "run a delivery program written for sendmail",
    load: () => import("./programs/qsmhook.ts"),
  },
  {
    name: "sendmail",
    section: 8,
    summary: "run qmail-inject, qmail-smtpd or qmail-qread as sendmail would be",
    load: () => import("./programs/sendmail.ts"),
  },
  {
    name: "splogger",
    section: 8,
    summary: "make entries in syslog",
    load: () => import("./programs/splogger.ts"),
  },
  {
    name: "tcp-env",
    section: 1,
    summary: "set up TCP-related environment variables",
    load: () => import("./programs/tcp-env.ts"),
  },
  {
    name: "tcprules",
    section: 1,
    summary: "compile rules about clients",
    load: () => import("./programs/tcprules.ts"),
  },
  {
    name: "tcprulescheck",
    section: 1,
    summary: "say what rules do with a client",
    load: () => import("./programs/tcprulescheck.ts"),
  },
];
