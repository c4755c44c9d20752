/** qmail-inject(8): completes the header of a message and hands the message to qmail-queue, or prints it. */
import { Options } from "../core/bytes/options.ts";
import { Exit } from "../core/exit.ts";
import { readHeader } from "../core/mail/header.ts";
import { Injection } from "../core/mail/injection.ts";
import { Reader } from "../core/sys/fd.ts";
import { type Destination, Print, Queue } from "./qmail-inject/destination.ts";
import { parsing, program, reading } from "./qmail-inject/failures.ts";
import { settings } from "./qmail-inject/settings.ts";

/** Which recipients count: those of the command line, of the header, or both. */
type Recipients = "arguments" | "header" | "both";

/** The options that choose; -A undoes the choice. */
const choices: Readonly<Record<string, Recipients | undefined>> = {
  a: "arguments",
  h: "header",
  H: "both",
  A: undefined,
};

/** What the command line says. */
interface CommandLine {
  print: boolean;
  recipients: Recipients;
  senders: Buffer[];
  words: Buffer[];
  /** The option that is wrong; it is complained about when its turn comes. */
  wrong?: Exit;
}

export async function main(args: Buffer[]): Promise<number> {
  const command = commandLine(args);
  // Our own queue program may begin to start while the header is read: it keeps nothing of what is given up.
  const early =
    command.print || command.wrong || process.env.QMAILQUEUE !== undefined ? undefined : new Queue();
  try {
    await inject(command, early);
  } catch (failure) {
    await early?.giveUp();
    throw failure;
  }
  return 0;
}

function commandLine(args: Buffer[]): CommandLine {
  let chosen: Recipients | undefined;
  const command: CommandLine = { print: false, recipients: "header", senders: [], words: [] };
  const options = new Options(args, { program, letters: "aAhHnNf:" });
  try {
    for (const { letter, argument } of options) {
      if (letter === "f") command.senders.push(argument);
      else if (letter === "n" || letter === "N") command.print = letter === "n";
      else chosen = choices[letter];
    }
  } catch (failure) {
    if (!(failure instanceof Exit)) throw failure;
    return { ...command, wrong: failure };
  }
  const words = options.rest;
  return { ...command, words, recipients: chosen ?? (words.length > 0 ? "arguments" : "header") };
}

async function inject(command: CommandLine, queue: Queue | undefined): Promise<void> {
  const { print, recipients } = command;
  const injection = new Injection(settings());
  for (const sender of command.senders) parsing(() => injection.setSender(sender));
  if (command.wrong !== undefined) throw command.wrong;
  if (recipients !== "header") for (const address of command.words) addRecipient(injection, address);

  const input = new Reader(0);
  const bodyStart = readHeader(
    () => reading(() => input.line()),
    (field) => parsing(() => injection.field(field)),
  );
  const header = parsing(() => injection.header(print));
  const destination = queue ?? (print ? new Print() : new Queue());
  for (const piece of header) destination.write(piece);
  copyBody(bodyStart, input, destination);
  await destination.end(injection.sender, injection.recipients(recipients !== "arguments"));
}

function addRecipient(injection: Injection, address: Buffer): void {
  parsing(
    () => injection.addRecipient(address),
    (line) => `unable to parse address: ${line}\n`,
  );
}

/** Copies the body in constant memory; its last line gets a line feed if it has none. */
function copyBody(start: Buffer, input: Reader, destination: Destination): void {
  const lineFeed = 10;
  let last = start[start.length - 1] ?? lineFeed;
  for (let piece = start; piece.length > 0; piece = reading(() => input.chunk())) {
    destination.write(piece);
    last = piece[piece.length - 1] ?? last;
  }
  if (last !== lineFeed) destination.write(Buffer.of(lineFeed));
}
