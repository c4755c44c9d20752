/** Cases of kind `run`: one program, started once, from its inputs to everything it left. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { captured, makeCapture } from "./capture.ts";
import type { Observed } from "./compare.ts";
import { connection } from "./connection.ts";
import { changes, octal, snapshot } from "./files.ts";
import { bytesOf, type Case, field } from "./format.ts";
import type { Cut } from "./modes.ts";
import { launch, outputFile, type Source, source } from "./program.ts";
import { queueFiles } from "./queue.ts";
import { userOf, type World } from "./world.ts";

/** How long a program may take. */
const patience = 30;

/** Runs the case in a world that was prepared for it. */
export async function runCase(
  test: Case,
  world: World,
  words: Record<string, string>,
  cut: Cut = "whole",
): Promise<Observed> {
  const collected = () => (test.collect ?? []).map((tree) => collect(tree, world));
  const before = collected();
  const inputs = new Inputs(test, world, words, cut);
  const child = launch({
    file: join(world.qmail, "bin", test.program),
    argv0: test.argv0 ?? test.program,
    argv: (test.argv ?? []).map((word) => world.fill(bytesOf(word), words)),
    environment: environmentOf(test, world, words),
    directory: world.home,
    descriptors: inputs.descriptors,
    closed: test.close_fds ?? [],
    umask: octal(test.umask ?? "022"),
    ...(test.user !== undefined && world.switches ? { ids: userOf(test.user) } : {}),
  });
  inputs.release();
  const exit = await child.ended(patience);
  inputs.close();
  const after = collected();
  return {
    exit,
    stdout: inputs.output("stdout"),
    stderr: inputs.output("stderr"),
    queued: test.qq === undefined ? [] : captured(world.scratch),
    files: after.flatMap((tree, index) => changes(before[index] ?? new Map(), tree)),
    queue: test.queue === true ? queueFiles(join(world.qmail, "queue")) : {},
  };
}

/** The environment of a case: its own, and what the format adds. */
export function environmentOf(
  test: Case,
  world: World,
  words: Record<string, string>,
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: `${world.qmail}/bin:/usr/local/bin:/usr/bin:/bin`,
  };
  if (test.qq !== undefined) environment.QMAILQUEUE = makeCapture(world.scratch, test.qq);
  if (!world.switches) environment.QMAILHOME = world.qmail;
  for (const [name, value] of Object.entries(test.env))
    if (value !== null) environment[name] = world.fill(bytesOf(value), words);
  return environment;
}

/** What is in a tree that a case names. */
export function collect(tree: string, world: World) {
  return tree === "home" ? snapshot(world.home, "") : snapshot(join(world.qmail, tree), `{{QMAIL}}/${tree}/`);
}

/** The descriptors of one run. */
class Inputs {
  readonly descriptors: number[] = [];
  readonly #sources: Pick<Source, "close">[] = [];
  readonly #files: Record<string, string>;
  readonly #cut: Cut;

  constructor(test: Case, world: World, words: Record<string, string>, cut: Cut) {
    this.#cut = cut;
    this.#files = { stdout: join(world.scratch, "stdout"), stderr: join(world.scratch, "stderr") };
    const outputs = Object.values(this.#files).map(outputFile);
    const stdin = world.fill(field(test, "stdin") ?? "", words);
    this.descriptors = [this.#stdin(test, world, stdin), ...outputs];
    for (const [number, bytes] of Object.entries(test.fd_inputs ?? {})) {
      const replaced = this.descriptors[Number(number)];
      if (replaced !== undefined) closeSync(replaced);
      this.descriptors[Number(number)] = this.#pipe(world.fill(bytesOf(bytes), words));
    }
  }

  #stdin(test: Case, world: World, text: string): number {
    const kind = test.stdin_kind ?? "pipe";
    if (kind === "dir") return openSync(world.home, "r");
    if (kind === "tcp") return this.#connection(test, text);
    if (kind !== "file") return this.#pipe(text, kind === "hold");
    const path = join(world.scratch, "stdin");
    writeFileSync(path, Buffer.from(text, "latin1"));
    return openSync(path, "r");
  }

  #connection({ tcp }: Case, text: string): number {
    const made = connection(tcp?.local_port ?? 0, tcp?.remote_port ?? 0, text);
    this.#sources.push(made);
    return made.server;
  }

  #pipe(text: string, hold = false): number {
    const made = source(text, hold, this.#cut);
    this.#sources.push(made);
    return made.reader;
  }

  /** Closes our copies once the program has its own. */
  release(): void {
    for (const descriptor of this.descriptors) if (descriptor !== undefined) closeSync(descriptor);
  }

  /** Ends the pipes that were held open. */
  close(): void {
    for (const made of this.#sources) made.close();
  }

  output(name: "stdout" | "stderr"): string {
    return readFileSync(this.#files[name] ?? "", "latin1");
  }
}
