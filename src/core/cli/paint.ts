/** Colours for people: only on a terminal, and not where NO_COLOR is set (https://no-color.org). */
import { Chalk } from "chalk";

/** What a piece of text means; how it looks is decided here. */
export interface Paint {
  good: (text: string) => string;
  bad: (text: string) => string;
  waiting: (text: string) => string;
  quiet: (text: string) => string;
  strong: (text: string) => string;
}

/** The colours for a stream. */
export function paint(stream: { isTTY?: boolean }, environment = process.env): Paint {
  const plain = stream.isTTY !== true || Boolean(environment.NO_COLOR) || environment.TERM === "dumb";
  const chalk = new Chalk({ level: plain ? 0 : 1 });
  return { good: chalk.green, bad: chalk.red, waiting: chalk.yellow, quiet: chalk.dim, strong: chalk.bold };
}
