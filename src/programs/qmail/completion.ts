/** `qmail completion`: what a shell needs to complete command lines. */
import { completionScript, type Shell, shells } from "../../core/cli/completion.ts";
import type { CommandRow } from "../../core/cli/options.ts";
import { refuse } from "../../core/cli/trouble.ts";
import { writeAll } from "../../core/sys/fd.ts";

const isShell = (name: string): name is Shell => (shells as readonly string[]).includes(name);

/** `rows`: all commands, this one among them. */
export const completionCommand = (rows: () => readonly CommandRow[]): CommandRow => ({
  usage: "completion <shell>",
  summary: "print what bash, zsh or fish needs to complete command lines",
  group: "Help:",
  words: shells,
  examples: [
    "source <(qmail completion bash)",
    "qmail completion zsh > ~/.zfunc/_qmail",
    "qmail completion fish > ~/.config/fish/completions/qmail.fish",
  ],
  run: ({ names: [name = ""] }) => {
    if (!isShell(name)) throw refuse(`there is no completion for "${name}", only for ${shells.join(", ")}`);
    writeAll(1, Buffer.from(completionScript(name, rows())));
    return 0;
  },
});
