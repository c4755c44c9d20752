/** Asking a person for a password, unseen; or taking the first line of what is not a terminal. */
import { Reader } from "../sys/fd.ts";
import { refuse } from "./trouble.ts";

/** checkpassword(8) takes 512 bytes with the name and a time stamp. */
const longest = 300;

const [interrupt, endOfFile, backspace, lineFeed, carriageReturn, eraseLine, erase] = [
  3, 4, 8, 10, 13, 21, 127,
];

/** The new password of a mail user. Refuses one that cannot be sent by POP3. */
export async function askPassword(name: string): Promise<Buffer> {
  const password = process.stdin.isTTY ? await askTwice(name) : (new Reader(0).line() ?? Buffer.alloc(0));
  const text = withoutLineEnd(password);
  if (text.length === 0) throw refuse("an empty password is not possible");
  if (text.length > longest) throw refuse(`a password has at most ${longest} bytes`);
  if (text.some((byte) => byte === 0 || byte === lineFeed || byte === carriageReturn))
    throw refuse("a password is one line of text");
  return text;
}

function withoutLineEnd(line: Buffer): Buffer {
  let end = line.length;
  if (line[end - 1] === lineFeed) end--;
  if (line[end - 1] === carriageReturn) end--;
  return line.subarray(0, end);
}

async function askTwice(name: string): Promise<Buffer> {
  const password = await askUnseen(`New password for ${name}: `);
  if (!(await askUnseen("Once more: ")).equals(password))
    throw refuse("that was not the same password twice");
  return password;
}

/** Reads a line from the terminal without showing it. */
async function askUnseen(prompt: string): Promise<Buffer> {
  process.stderr.write(prompt);
  process.stdin.setRawMode(true);
  try {
    return await typedLine();
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stderr.write("\n");
  }
}

/** What was typed up to the end of the line; a terminal in raw mode leaves editing to us. */
function typedLine(): Promise<Buffer> {
  const typed: number[] = [];
  return new Promise((resolve, reject) => {
    const listen = (piece: Buffer) => {
      for (const byte of piece) {
        const ends = byte === lineFeed || byte === carriageReturn || byte === endOfFile;
        if (byte === interrupt) stop(() => reject(refuse("interrupted; the password is as it was")));
        else if (ends) stop(() => resolve(Buffer.from(typed)));
        else if (byte === backspace || byte === erase) typed.pop();
        else if (byte === eraseLine) typed.length = 0;
        else typed.push(byte);
      }
    };
    const stop = (settle: () => void) => {
      process.stdin.off("data", listen);
      settle();
    };
    process.stdin.on("data", listen);
    process.stdin.resume();
  });
}
