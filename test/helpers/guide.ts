/** The commands of a guide in man/, as they are printed, and shells that run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A command line, perhaps of several lines; `root`: its prompt is `#`. */
export interface Command {
  root: boolean;
  text: string;
}

/** What mdoc makes of a line of a literal block. */
const printed = (line: string): string => line.replace(/^\\&/, "").replaceAll("\\e", "\\");

const linesOf = (page: string): string[] =>
  readFileSync(join(import.meta.dir, "../../man", page), "utf8").split("\n");

/** The commands in the literal blocks of a page, in order: behind a prompt, with the lines that continue them. */
export const commandsOf = (page: string): Command[] => commandsIn(linesOf(page));

/** The same for each subsection that has any, by its heading. */
export function recipesOf(page: string): Map<string, Command[]> {
  const recipes = new Map<string, Command[]>();
  const [, ...sections] = linesOf(page)
    .join("\n")
    .split(/^\.Ss /m);
  for (const section of sections) {
    const [title = "", ...lines] = section.replace(/^\.Sh [\s\S]*/m, "").split("\n");
    const commands = commandsIn(lines);
    if (commands.length > 0) recipes.set(title, commands);
  }
  return recipes;
}

function commandsIn(lines: readonly string[]): Command[] {
  const commands: Command[] = [];
  let literal = false;
  let end: string | undefined;
  for (const source of lines) {
    if (source.startsWith(".Bd -literal")) literal = true;
    else if (source === ".Ed") literal = false;
    const line = source.startsWith(".Dl # ") ? printed(source.slice(4)) : literal ? printed(source) : "";
    const last = commands.at(-1);
    const [, prompt, text = ""] = /^([#$]) (.*)$/.exec(line) ?? [];
    if (end !== undefined && last !== undefined) {
      last.text += `\n${line}`;
      if (line === end) end = undefined;
    } else if (prompt !== undefined) {
      commands.push({ root: prompt === "#", text });
      end = /<<'?(\w+)'?$/.exec(text)?.[1];
    } else if (last !== undefined && line.startsWith("> ")) last.text += `\n${line.slice(2)}`;
    else if (last?.text.endsWith("\\") && line.startsWith(" ")) last.text += `\n${line}`;
  }
  return commands;
}

/** Stands in for sleep: the short pauses of a guide are meant for a machine that is not busy. */
export const sleep = "exec /bin/sleep $(($1 < 10 ? $1 * (1 + $(cut -d. -f1 /proc/loadavg) / 16) : $1))";

/** Stands in for systemctl where nothing runs as process 1. */
export const systemctl = `verb=$1; shift
case $verb in enable|disable) test "$1" = --now || exit 1; shift;; esac
mkdir -p /run/units
for unit in "$@"; do
  case $verb in
    start|enable)
      line=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/$unit.service) || exit 1
      setsid $line </dev/null >>/tmp/units.log 2>&1 & echo $! >/run/units/$unit;;
    reload) kill -HUP $(cat /run/units/$unit);;
    stop|disable)
      test ! -f /run/units/$unit || { kill $(cat /run/units/$unit); tail --pid=$(cat /run/units/$unit) -f /dev/null; };;
  esac
done
exit 0`;

/** What a command came to. */
export interface Done {
  command: string;
  code: number;
  output: string;
}

/** A shell that stays, with its variables and its jobs. */
export class Shell {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #output: AsyncIterator<Uint8Array>;

  constructor(environment: Record<string, string>, directory: string, uid: number) {
    this.#child = Bun.spawn(["sh"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: environment,
      cwd: directory,
      uid,
      gid: uid,
    } as Bun.SpawnOptions.OptionsObject<"pipe", "pipe", "inherit">);
    this.#output = this.#child.stdout[Symbol.asyncIterator]();
  }

  /** Ends it, when it has done what it was told. */
  end(): void {
    this.#child.stdin.end();
  }

  async run(command: string): Promise<Done> {
    const mark = `@@${crypto.randomUUID()}`;
    this.#child.stdin.write(`{ ${command}\n} 2>&1\necho "${mark} $?"\n`);
    await this.#child.stdin.flush();
    let output = "";
    for (;;) {
      const [, before, code] = new RegExp(`^([^]*)${mark} (\\d+)\\n`).exec(output) ?? [];
      if (code !== undefined) return { command, code: Number(code), output: before ?? "" };
      const { value, done } = await this.#output.next();
      if (done) throw new Error(`the shell ended in: ${command}\n${output}`);
      output += Buffer.from(value).toString("latin1");
    }
  }
}
