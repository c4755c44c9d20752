/** Completion of command lines by the shells, written from the table of commands. */
import type { CommandRow } from "./options.ts";

/** Shells that have it. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** What an argument may be. */
type Kind = "directory" | "file" | "other";

interface OptionShape {
  short: string | undefined;
  long: string;
  /** undefined: it takes no argument. */
  argument: { name: string; kind: Kind } | undefined;
  help: string;
}

/** A command with the names of those above it. */
interface Shape {
  path: readonly string[];
  summary: string;
  options: readonly OptionShape[];
  takesFiles: boolean;
  /** Fixed words that its argument may be. */
  words: readonly string[];
  inner: readonly Shape[];
}

const kindOf = (name: string): Kind =>
  /dir|home/.test(name) ? "directory" : /^(file|path|log)/.test(name) ? "file" : "other";

function optionShape([flags, help]: readonly [string, string]): OptionShape {
  const [, short, long = "", name] =
    /^(?:(-\w),? ?)?(--[\w-]+)?(?:[ =][<[]([^>\]]+)[>\]])?/.exec(flags) ?? [];
  return { short, long, help, argument: name === undefined ? undefined : { name, kind: kindOf(name) } };
}

function shapeOf(row: CommandRow, above: readonly string[]): Shape {
  const [name = "", ...parameters] = row.usage.split(" ");
  const path = [...above, name];
  return {
    path,
    summary: row.summary,
    options: [
      ...(row.options ?? []).map(optionShape),
      { short: "-h", long: "--help", help: "print a summary", argument: undefined },
    ],
    takesFiles: parameters.some((parameter) => kindOf(parameter.replace(/[<>[\].]/g, "")) === "file"),
    words: row.words ?? [],
    inner: (row.commands ?? []).map((inner) => shapeOf(inner, path)),
  };
}

const all = (shapes: readonly Shape[]): Shape[] => shapes.flatMap((shape) => [shape, ...all(shape.inner)]);

/** The script that a shell reads to complete the command lines of `qmail`. */
export function completionScript(shell: Shell, rows: readonly CommandRow[]): string {
  const shapes = rows.map((row) => shapeOf(row, []));
  const root: Shape = {
    path: [],
    summary: "",
    options: [
      { short: "-h", long: "--help", help: "print a summary", argument: undefined },
      { short: "-V", long: "--version", help: "print the version", argument: undefined },
    ],
    takesFiles: false,
    words: [],
    inner: [
      ...shapes,
      shapeOf({ usage: "help", summary: "say more about a command", words: shapes.map(nameOf) }, []),
    ],
  };
  return { bash, zsh, fish }[shell](root);
}

const nameOf = ({ path }: Shape): string => path.at(-1) ?? "";
const flagsOf = ({ short, long }: OptionShape): string[] => (short === undefined ? [long] : [short, long]);

function flagsWith(root: Shape, kinds: readonly Kind[]): string[] {
  const options = all([root]).flatMap(({ options }) => options);
  return [
    ...new Set(
      options
        .filter(({ argument }) => argument !== undefined && kinds.includes(argument.kind))
        .flatMap(flagsOf),
    ),
  ];
}

function bash(root: Shape): string {
  const steps = all(root.inner).map((shape) => {
    const above = shape.path.slice(0, -1).join(" ");
    return `      '${above}:${nameOf(shape)}') path='${shape.path.join(" ")}' ;;`;
  });
  const words = all([root]).map((shape) => {
    const list = [...shape.inner.map(nameOf), ...shape.words, ...shape.options.flatMap(flagsOf)].join(" ");
    return `    '${shape.path.join(" ")}') words='${list}'${shape.takesFiles ? " files=1" : ""} ;;`;
  });
  const patterns = (...kinds: Kind[]): string => flagsWith(root, kinds).join("|") || "--";
  return `# Completion of qmail(1) for bash: source it, or put it where bash-completion looks.
_qmail() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path= words= files= i
  COMPREPLY=()
  case $before in
    ${patterns("directory")}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    ${patterns("file")}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${patterns("other")}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i-1]} in ${patterns("directory", "file", "other")}) continue ;; esac
    case "$path:\${COMP_WORDS[i]}" in
${steps.join("\n")}
    esac
  done
  case $path in
${words.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ -n $files && $current != -* ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _qmail qmail
`;
}

/** In single quotes, for zsh and fish. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const actions: Readonly<Record<Kind, string>> = { directory: "_directories", file: "_files", other: "" };

function zsh(root: Shape): string {
  const inBrackets = (text: string): string => text.replace(/[[\]:\\]/g, "\\$&");
  const spec = (flag: string, { argument, help }: OptionShape): string =>
    quoted(
      argument === undefined
        ? `${flag}[${inBrackets(help)}]`
        : `${flag}${flag.startsWith("--") ? "=" : "+"}[${inBrackets(help)}]:${argument.name}:${actions[argument.kind]}`,
    );
  const functionName = (shape: Shape): string => ["_qmail", ...shape.path].join("_").replaceAll("-", "_");
  const functions = all([root]).map((shape) => {
    const options = shape.options.flatMap((option) => flagsOf(option).map((flag) => spec(flag, option)));
    if (shape.inner.length === 0) {
      const rest = shape.takesFiles
        ? ["'*:file:_files'"]
        : shape.words.length > 0
          ? [quoted(`1:argument:(${shape.words.join(" ")})`)]
          : ["'*:argument:'"];
      return `${functionName(shape)}() {\n  _arguments ${[...options, ...rest].join(" \\\n    ")}\n}`;
    }
    const commands = shape.inner.map((inner) =>
      quoted(`${nameOf(inner)}:${inner.summary.replaceAll(":", "\\:")}`),
    );
    const calls = shape.inner.map((inner) => `        ${nameOf(inner)}) ${functionName(inner)} ;;`);
    return `${functionName(shape)}() {
  local state line context
  local -a commands
  typeset -A opt_args
  _arguments -C ${[...options, "'1: :->command'", "'*:: :->arguments'"].join(" \\\n    ")}
  case $state in
    command)
      commands=(
        ${commands.join("\n        ")}
      )
      _describe command commands ;;
    arguments)
      case $words[1] in
${calls.join("\n")}
      esac ;;
  esac
}`;
  });
  return `#compdef qmail
# Completion of qmail(1) for zsh: put it as _qmail into a directory of $fpath.
${functions.join("\n")}
if [ "$funcstack[1]" = _qmail ]; then _qmail "$@"; else compdef _qmail qmail; fi
`;
}

const values: Readonly<Record<Kind, string>> = {
  directory: " -r -f -a '(__fish_complete_directories)'",
  file: " -r -F",
  other: " -x",
};

function fish(root: Shape): string {
  const lines = all([root]).flatMap((shape) => {
    const seen = shape.path.map((name) => `__fish_seen_subcommand_from ${name}`);
    const not =
      shape.inner.length === 0
        ? []
        : [`not __fish_seen_subcommand_from ${shape.inner.map(nameOf).join(" ")}`];
    const condition = ` -n ${quoted([...seen, ...not].join("; and "))}`;
    const inner = shape.inner.map(
      (each) => `complete -c qmail${condition} -a ${nameOf(each)} -d ${quoted(each.summary)}`,
    );
    const words =
      shape.words.length > 0 ? [`complete -c qmail${condition} -a ${quoted(shape.words.join(" "))}`] : [];
    const files = shape.takesFiles ? [`complete -c qmail${condition} -F`] : [];
    const options = shape.options.map(({ short, long, argument, help }) => {
      const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
      return `complete -c qmail${condition}${letter} -l ${long.slice(2)}${argument === undefined ? "" : values[argument.kind]} -d ${quoted(help)}`;
    });
    return [...inner, ...words, ...files, ...options];
  });
  return `# Completion of qmail(1) for fish: put it as qmail.fish into ~/.config/fish/completions.
complete -c qmail -f
${lines.join("\n")}
`;
}
