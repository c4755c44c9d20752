/** qmail-inject(8): completes the header of a message and hands the message to qmail-queue, or prints it. */
import { Options } from "../core/bytes/options.ts";
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

export async function main(args: Buffer[]): Promise<number> {
  const injection = new Injection(settings());
  let chosen: Recipients | undefined;
  let print = false;
  const options = new Options(args, { program, letters: "aAhHnNf:" });
  for (const { letter, argument } of options) {
    if (letter === "f") parsing(() => injection.setSender(argument));
    else if (letter === "n" || letter === "N") print = letter === "n";
    else chosen = choices[letter];
  }
  const recipients = chosen ?? (options.rest.length > 0 ? "arguments" : "header");
  if (recipients !== "header") for (const address of options.rest) addRecipient(injection, address);

  const input = new Reader(0);
  const bodyStart = readHeader(
    () => reading(() => input.line()),
    (field) => parsing(() => injection.field(field)),
  );
  const header = parsing(() => injection.header(print));
  const destination = print ? new Print() : new Queue();
  for (const piece of header) destination.write(piece);
  copyBody(bodyStart, input, destination);
  await destination.end(injection.sender, injection.recipients(recipients !== "arguments"));
  return 0;
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
  let last = start.at(-1) ?? lineFeed;
  for (let piece = start; piece.length > 0; piece = reading(() => input.chunk())) {
    destination.write(piece);
    last = piece.at(-1) ?? last;
  }
  if (last !== lineFeed) destination.write(Buffer.of(lineFeed));
}
