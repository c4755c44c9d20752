/** bouncesaying(1): refuses the message with a text, always or if a program exits with 0. */
import { ask } from "../core/delivery/ask.ts";
import { permanent } from "../core/exit.ts";

const program = "bouncesaying";
const usage = `${program}: usage: ${program} error [ program [ arg ... ] ]\n`;

export async function main([error, ...command]: Buffer[]): Promise<number> {
  if (error === undefined) throw permanent(usage);
  if (command.length > 0 && !(await ask(program, command))) return 0;
  throw permanent(`${error.toString("latin1")}\n`);
}
