/** sendmail(8): lets programs that know only sendmail run qmail-inject, qmail-smtpd or qmail-qread. */
import { Options } from "../core/bytes/options.ts";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { type Changes, exec } from "../core/sys/exec.ts";
import { qmailHome } from "../core/sys/home.ts";

const program = "sendmail";
const fatal = `${program}: fatal:`;
const usage = `${program}: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n`;

/** Options that ask for what qmail does anyway, or cannot do, are taken and forgotten. */
const letters = "vimte:f:p:o:B:F:EJxb:";

/** What a session over descriptors 0 and 1 tells qmail-smtpd about its client: the local user, who may send anywhere. */
const localClient: Changes = {
  RELAYCLIENT: "",
  DATABYTES: "0",
  PROTO: "TCP",
  TCPLOCALIP: "127.0.0.1",
  TCPLOCALHOST: "localhost",
  TCPREMOTEIP: "127.0.0.1",
  TCPREMOTEHOST: "localhost",
  TCPREMOTEINFO: "sendmail-bs",
};

export function main(args: Buffer[], called: string): number {
  enterHome();
  let fromHeader = false;
  let sender: Buffer | undefined;
  const changes: Record<string, Uint8Array> = {};
  const options = new Options(args, { program: called, letters, usage });
  for (const { letter, argument } of options) {
    if (letter === "t") fromHeader = true;
    else if (letter === "f") sender = argument;
    else if (letter === "F") changes.MAILNAME = argument;
    else if (letter === "b") mode(argument.toString("latin1", 0, 1));
    else if (letter === "E" || letter === "J") options.skipGroup();
  }
  if (called === "mailq") run("qmail-qread", []);
  if (called === "newaliases") throw permanent(`${fatal} please use fastforward/newaliases instead\n`);
  const words: Buffer[] = [Buffer.from(fromHeader ? "-H" : "-a")];
  if (sender !== undefined) words.push(Buffer.from("-f"), sender);
  words.push(Buffer.from("--"), ...options.rest);
  return run("qmail-inject", words, sender === undefined ? changes : { ...changes, ...author(sender) });
}

function enterHome(): void {
  try {
    process.chdir(qmailHome());
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} unable to switch to qmail home directory\n`);
  }
}

/** -bm, -bp, -bs. */
function mode(letter: string): void {
  if (letter === "p") run("qmail-qread", []);
  if (letter === "s") run("qmail-smtpd", [], process.env.PROTO === undefined ? localClient : {});
  if (letter !== "m") throw permanent(usage);
}

/** The environment in which qmail-inject takes the sender for the author, and no other name. */
function author(sender: Buffer): Changes {
  const at = sender.lastIndexOf("@");
  return {
    QMAILNAME: undefined,
    MAILNAME: undefined,
    NAME: undefined,
    MAILHOST: undefined,
    QMAILHOST: at < 0 ? undefined : sender.subarray(at + 1),
    QMAILUSER: at < 0 ? sender : sender.subarray(0, at),
  };
}

function run(name: string, args: Buffer[], changes?: Changes): never {
  try {
    exec(`bin/${name}`, args, changes);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} unable to run ${name}\n`);
  }
}
