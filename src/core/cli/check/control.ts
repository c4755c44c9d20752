/** The control files: each by itself, and what they say together. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CdbDamaged, CdbFile } from "../../control/cdbfile.ts";
import { controlLines, readControl } from "../../control/control.ts";
import { RcptHosts } from "../../control/rcpthosts.ts";
import { lookAt } from "../setup/step.ts";
import { shellWord } from "../shell.ts";
import { attempt } from "../trouble.ts";
import { type Findings, fault, note, type Subject } from "./finding.ts";
import { type Syntax, syntaxes } from "./syntax.ts";

const made = "morercpthosts.cdb";

/** Files in control, and what is in them. Of those that no program here reads there is a note. */
export function* controlFindings({ home }: Subject): Findings {
  const directory = join(home, "control");
  if (lookAt(directory)?.isDirectory() !== true) return;
  for (const name of attempt(`read directory ${directory}`, () => readdirSync(directory)).sort()) {
    const path = join(directory, name);
    const syntax = syntaxes.get(name);
    if (syntax !== undefined) yield* fileFindings(path, name, syntax);
    else if (name !== made && !name.startsWith("."))
      yield note("control", path, "is read by no program of this package");
  }
  if (lookAt(join(directory, "me")) === undefined)
    yield fault(
      "control",
      join(directory, "me"),
      "is missing: nobody knows the name of this host",
      `echo HOST.DOMAIN > ${join(directory, "me")}`,
    );
  yield* togetherFindings(directory);
  yield* databaseFindings(home, directory);
}

function* fileFindings(path: string, name: string, { kind, rule }: Syntax): Findings {
  if (attempt(`examine ${path}`, () => statSync(path)).isFile() === false) {
    yield fault("control", path, "is no file", `mv ${path} away`);
    return;
  }
  const bytes = attempt(`read ${path}`, () => readControl(name)) ?? Buffer.alloc(0);
  const text = bytes.toString("latin1");
  if (text.includes("\r"))
    yield fault(
      "control",
      path,
      "has carriage returns at the ends of lines; they belong to the words before them",
      `sed -i 's/\\r$//' ${shellWord(path)}`,
    );
  if (text.includes("\0")) yield fault("control", path, "has NUL bytes", "write it anew");
  const lines = text
    .replaceAll(/[\r\0]/g, "")
    .split("\n")
    .map((line) => line.replace(/[ \t]+$/, ""));
  if (kind === "list") yield* listFindings(path, lines, rule);
  else yield* valueFindings(path, lines, rule);
}

function* listFindings(path: string, lines: readonly string[], rule: Syntax["rule"]): Findings {
  for (const [index, line] of lines.entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const wrong = /^[ \t]/.test(line) ? "begins with a blank, which belongs to the entry" : rule(line);
    if (wrong !== undefined)
      yield fault(
        "control",
        path,
        `line ${index + 1}, ${JSON.stringify(line)}, ${wrong}`,
        `correct line ${index + 1} of ${path}`,
      );
  }
}

function* valueFindings(
  path: string,
  [first = "", ...rest]: readonly string[],
  rule: Syntax["rule"],
): Findings {
  const wrong = first === "" ? "is empty, which is a value of its own and not the default" : rule(first);
  if (wrong !== undefined)
    yield fault(
      "control",
      path,
      first === "" ? wrong : `${JSON.stringify(first)} ${wrong}`,
      `correct ${path}, or remove it for the default`,
    );
  if (rest.some((line) => line !== ""))
    yield note(
      "control",
      path,
      "has more than one line; only the first counts",
      `sed -i 1q ${shellWord(path)}`,
    );
}

const listOf = (name: string): string[] | undefined =>
  attempt(`read control/${name}`, () => controlLines(name))?.map((line) =>
    line.toString("latin1").toLowerCase(),
  );

/** What is wrong with files that are right by themselves. */
function* togetherFindings(directory: string): Findings {
  const locals = listOf("locals") ?? listOf("me")?.slice(0, 1) ?? [];
  const virtual = (listOf("virtualdomains") ?? []).map((line) => line.split(":", 1)[0] ?? "");
  const rcpthosts = listOf("rcpthosts");
  for (const host of virtual.filter((key) => locals.includes(key)))
    yield fault(
      "control",
      join(directory, "virtualdomains"),
      `names ${host}, which is in locals, too: it is local, and this line has no effect`,
      `remove ${host} from ${join(directory, "locals")}, then: kill -HUP qmail-send`,
    );
  if (rcpthosts === undefined) {
    yield fault(
      "control",
      join(directory, "rcpthosts"),
      "is missing: everybody may send mail to everybody through this host",
      `cp ${join(directory, "locals")} ${join(directory, "rcpthosts")}`,
    );
    return;
  }
  const hosts = [...locals, ...virtual.filter((key) => key !== "" && !key.startsWith("."))].map((key) =>
    key.slice(key.lastIndexOf("@") + 1),
  );
  yield* refusedFindings(directory, [...new Set(hosts)]);
}

function* refusedFindings(directory: string, hosts: readonly string[]): Findings {
  let rules: RcptHosts;
  try {
    rules = attempt("read control/rcpthosts", () => new RcptHosts());
    for (const host of hosts)
      if (!rules.allows(Buffer.from(`x@${host}`, "latin1")))
        yield note(
          "control",
          join(directory, "rcpthosts"),
          `does not name ${host}: mail for it from other hosts is refused`,
          `echo ${shellWord(host)} >> ${join(directory, "rcpthosts")}`,
        );
    rules.close();
  } catch (failure) {
    // A damaged database is a finding of its own.
    if (!(failure instanceof CdbDamaged)) throw failure;
  }
}

/** morercpthosts.cdb beside the file that it was made from. */
function* databaseFindings(home: string, directory: string): Findings {
  const path = join(directory, made);
  const newmrh = `QMAILHOME=${home} ${home}/bin/qmail-newmrh`;
  const wanted = listOf("morercpthosts");
  if (lookAt(path) === undefined) {
    if (wanted !== undefined)
      yield fault("control", path, "is missing, so that morercpthosts has no effect", newmrh);
    return;
  }
  if (wanted === undefined)
    yield fault("control", path, "counts, though there is no morercpthosts any more", `rm ${path}`);
  const file = attempt(`open ${path}`, () => new CdbFile(path));
  try {
    const absent = (wanted ?? []).filter((host) => file.find(Buffer.from(host, "latin1")) === undefined);
    if (absent.length > 0)
      yield fault("control", path, `does not have ${absent[0]}, which is in morercpthosts`, newmrh);
  } catch (failure) {
    if (!(failure instanceof CdbDamaged)) throw failure;
    yield fault("control", path, "is damaged: all mail from other hosts is put off", newmrh);
  } finally {
    file.close();
  }
}
