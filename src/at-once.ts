/**
 * The programs that live for one message, all in one module and in one piece of the executable: loading many small ones
 * takes longer than most of them run. The build bundles it by itself, with copies of what other programs use, too.
 *
 * What every message goes through uses plain loops for the methods of arrays (map, filter, some, at, ...) and no
 * generators: the runtime has those in JavaScript, and compiles each from source when it is first called (bench/NOTES.md).
 */
import type { Brief } from "./brief.ts";
import { main as bouncesaying } from "./programs/bouncesaying.ts";
import { main as condredirect } from "./programs/condredirect.ts";
import { main as except } from "./programs/except.ts";
import { main as forward } from "./programs/forward.ts";
import { main as preline } from "./programs/preline.ts";
import { main as qmailInject } from "./programs/qmail-inject.ts";
import { main as qmailQueue } from "./programs/qmail-queue.ts";
import { main as sendmail } from "./programs/sendmail.ts";
import type { Main } from "./programs.ts";
import { lastPart, ownArguments, run } from "./run.ts";

const mains: Readonly<Record<Brief, Main>> = {
  bouncesaying,
  condredirect,
  except,
  forward,
  preline,
  "qmail-inject": qmailInject,
  "qmail-queue": queueOnce,
  sendmail,
};

/** One that stays is no brief program. */
function queueOnce(args: Buffer[], called: string): number | Promise<number> {
  return args.length === 0 ? qmailQueue(args) : elsewhere("qmail-queue", args, called);
}

/** Runs the program that this process was called as: one of the above. */
export function start(): Promise<number> {
  const invocation = () => ({
    program: lastPart(process.execPath),
    called: lastPart(process.argv0),
    args: ownArguments(),
  });
  return run(
    invocation,
    (name) => (mains as Record<string, Main>)[name] ?? ((args, called) => elsewhere(name, args, called)),
  );
}

/** A program that one of ours became; it ends there, since it has classes of its own. */
async function elsewhere(program: string, args: Buffer[], called: string): Promise<number> {
  const { start } = await import("./any.ts");
  return await start(() => ({ program, called, args }));
}
