/** The arrows of the architecture: every import in src is read, and what points the wrong way is named. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Glob } from "bun";

const source = resolve(import.meta.dir, "../../src");

/** What each part may import, beside itself. `core/exit.ts` is everybody's. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "core/exit.ts": [],
  "core/bytes": [],
  "core/mail": ["core/bytes"],
  "core/wire": ["core/bytes", "core/mail"],
  "core/log": ["core/bytes"],
  "core/sys": ["core/bytes", "core/mail"],
  "core/control": ["core/bytes", "core/mail", "core/sys"],
  "core/queue": ["core/bytes", "core/mail", "core/sys", "core/control"],
  "core/maildir": ["core/bytes", "core/mail", "core/sys"],
  "core/users": ["core/bytes", "core/mail", "core/sys", "core/control"],
  "core/net": ["core/bytes", "core/mail", "core/sys", "core/control", "core/wire"],
  "core/delivery": [
    "core/bytes",
    "core/mail",
    "core/sys",
    "core/control",
    "core/queue",
    "core/maildir",
    "core/users",
    "core/wire",
  ],
  // Runs in other runtimes, too: nothing in it needs Bun (below).
  api: ["core/bytes", "core/mail", "core/sys", "core/control", "core/queue", "core/maildir"],
  "core/cli": [
    "core/bytes",
    "core/mail",
    "core/sys",
    "core/control",
    "core/queue",
    "core/maildir",
    "core/users",
    "core/delivery",
    "core/net",
    "core/wire",
    "core/log",
  ],
};

/** Packages, and the only file that may name each. */
const homes: Readonly<Record<string, string>> = {
  commander: "core/cli/options.ts",
  chalk: "core/cli/paint.ts",
  mailparser: "core/cli/message.ts",
  execa: "core/cli/run.ts",
};

/** Node modules that reach the outside; only core/sys and the layers above the engines may use them. */
const pure = ["core/bytes", "core/mail", "core/wire", "core/log"];
const harmless = ["node:buffer", "node:util", "node:crypto", "node:path"];

/** From the entry to a program. */
const entry = ["main.ts", "any.ts", "at-once.ts", "brief.ts", "run.ts"];

/** `core/mail`, `programs/qmail-send`, `main.ts`: the part of the house a file belongs to. */
function partOf(file: string): string {
  const [first = "", second = ""] = file.split("/");
  if (first === "core") return `core/${second}`;
  return first === "programs" ? `programs/${second.replace(/\.ts$/, "")}` : first;
}

/** Why one file may not import `specifier`, or undefined. */
export function refusal(file: string, specifier: string): string | undefined {
  const part = partOf(file);
  if (!specifier.startsWith(".")) {
    if (specifier.startsWith("bun") && part !== "core/sys") return "bun:* belongs to core/sys";
    if (specifier.startsWith("node:"))
      return pure.includes(part) && !harmless.includes(specifier) ? "an engine has no I/O" : undefined;
    const home = homes[specifier];
    return home === undefined || home === file || specifier.startsWith("bun")
      ? undefined
      : `${specifier} belongs to ${home}`;
  }
  const target = partOf(relative(source, resolve(source, dirname(file), specifier)));
  if (target === part || target === "core/exit.ts") return undefined;
  if (target === "api") return "the API is for other packages";
  if (entry.includes(part)) return undefined;
  if (part === "programs.ts")
    return target.startsWith("programs/") ? undefined : "the registry names programs only";
  if (target === "programs.ts")
    return part.startsWith("core/cli") || part === "programs/qmail"
      ? undefined
      : "only main reads the registry";
  if (target.startsWith("programs/")) return "a program never imports a program";
  if (part.startsWith("programs/")) return undefined;
  return allowed[part]?.includes(target) ? undefined : `${part} may not use ${target}`;
}

function imports(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(/(?<![.\w])(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
}

test("imports point one way", () => {
  const wrong: string[] = [];
  for (const file of new Glob("**/*.ts").scanSync(source)) {
    for (const specifier of imports(file)) {
      const why = refusal(file, specifier);
      if (why !== undefined) wrong.push(`${file} imports ${specifier}: ${why}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("only main.ts calls process.exit", () => {
  const callers = [...new Glob("**/*.ts").scanSync(source)].filter(
    (file) => file !== "main.ts" && /\bprocess\.exit\(/.test(readFileSync(join(source, file), "utf8")),
  );
  expect(callers).toEqual([]);
});

/** The files that importing one loads, and itself. */
function loadedBy(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  for (const specifier of imports(file))
    if (specifier.startsWith("."))
      loadedBy(relative(source, resolve(source, dirname(file), specifier)), known);
  return known;
}

test("what the API loads works without Bun", () => {
  const loaded = [...new Glob("api/*.ts").scanSync(source)].flatMap((file) => [...loadedBy(file)]);
  const wrong = [...new Set(loaded)].filter(
    (file) =>
      imports(file).some((specifier) => specifier.startsWith("bun")) ||
      /\bBun\./.test(readFileSync(join(source, file), "utf8")),
  );
  expect(loaded).toContain("core/mail/injection.ts");
  expect(wrong).toEqual([]);
});

/** What has to be there before the first line of a file runs. */
function loadedAtOnce(file: string, known = new Set<string>(), builtIn = new Set<string>()): Set<string> {
  if (known.has(file)) return builtIn;
  known.add(file);
  const text = readFileSync(join(source, file), "utf8").replaceAll(/^import type [^;]+;/gm, "");
  for (const [, specifier = ""] of text.matchAll(/^(?:import|export|\}) ?[^;"]*from "([^"]+)"/gm))
    if (specifier.startsWith("."))
      loadedAtOnce(relative(source, resolve(source, dirname(file), specifier)), known, builtIn);
    else builtIn.add(specifier);
  return builtIn;
}

test("a program for one message loads little of the runtime: each part takes as long as a tenth of it", () => {
  expect([...loadedAtOnce("main.ts")]).toEqual([]);
  expect([...loadedAtOnce("at-once.ts")]).toEqual(["node:fs"]);
  expect([...loadedAtOnce("any.ts")]).toEqual(["node:fs"]);
});

const rows: readonly (readonly [string, string, boolean])[] = [
  ["core/mail/date.ts", "../bytes/text.ts", true],
  ["core/mail/date.ts", "../sys/fd.ts", false],
  ["core/bytes/text.ts", "../mail/date.ts", false],
  ["core/wire/smtp.ts", "node:net", false],
  ["core/queue/paths.ts", "../control/control.ts", true],
  ["core/control/control.ts", "../queue/paths.ts", false],
  ["programs/qmail-inject.ts", "./qmail-queue.ts", false],
  ["programs/qmail-send/todo.ts", "./jobs.ts", true],
  ["programs/qmail-inject.ts", "bun:ffi", false],
  ["core/queue/paths.ts", "commander", false],
  ["core/cli/options.ts", "commander", true],
  ["api/queue.ts", "../core/queue/envelope.ts", true],
  ["api/queue.ts", "../core/cli/options.ts", false],
  ["programs/qmail-inject.ts", "../api/inject.ts", false],
];
for (const [file, specifier, fine] of rows) {
  test(`${file} ${fine ? "may" : "may not"} import ${specifier}`, () => {
    expect(refusal(file, specifier) === undefined).toBe(fine);
  });
}
