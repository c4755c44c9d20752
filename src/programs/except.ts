/** except(1): turns a program's answer around: 100 if it exits with 0, 0 if it exits with anything else but 111. */
import { ask } from "../core/delivery/ask.ts";
import { permanent } from "../core/exit.ts";

const program = "except";
const usage = `${program}: usage: ${program} program [ arg ... ]\n`;

export async function main(command: Buffer[]): Promise<number> {
  if (command.length === 0) throw permanent(usage);
  return (await ask(program, command)) ? 100 : 0;
}
