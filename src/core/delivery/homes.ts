/**
 * Which addresses are nothing but a Maildir, found by the rules of qmail-local(8) without becoming anybody: for who may
 * read the homes as they are. What was read is kept for as long as it does not change. Where anything is unusual the
 * answer is no, and a qmail-local finds out what there is to say about it.
 */
import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { bytes } from "../bytes/text.ts";
import { isSystemError } from "../exit.ts";
import { isSettled, Kept } from "../sys/kept.ts";
import type { Assignment } from "../users/lookup.ts";
import { dotQmailNames } from "./dotqmail.ts";
import { below, onlyMaildir } from "./dotqmail-deliver.ts";

const writableByOthers = 0o002;
const sticky = 0o1000;
const executableByOwner = 0o100;

/** Homes, and .qmail files of each, that are known at once. */
const mostHomes = 5000;
const mostFiles = 1000;

/** The names in a directory that is larger are not kept, in bytes. */
const largestDirectory = 65536;

/** Longer instructions are not read here, in bytes. */
const largestFile = 65536;

/** What a file says: the name of a Maildir; `empty`, so that the default counts; or it is anything else. */
type Said = Buffer | "empty" | "more";

export class Homes {
  readonly #homes = new Map<string, Home>();

  /** The path of the Maildir that an address is, if it is nothing else. */
  maildirOf(
    { home, dash, extension }: Pick<Assignment, "home" | "dash" | "extension">,
    defaultDelivery: Buffer,
  ): Buffer | undefined {
    const path = home.toString("latin1");
    const known = this.#homes.get(path) ?? new Home(home);
    if (this.#homes.size >= mostHomes) this.#homes.clear();
    this.#homes.set(path, known);
    try {
      const said = known.ask(dash, extension);
      const directory = said === "empty" ? onlyMaildir({ text: defaultDelivery, forwardOnly: false }) : said;
      return typeof directory === "object" ? below(home, directory) : undefined;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return undefined;
    }
  }
}

class Home {
  readonly #path: Buffer;
  readonly #names = new Kept<ReadonlySet<string>>();
  readonly #files = new Map<string, Kept<Said>>();

  constructor(path: Buffer) {
    this.#path = path;
  }

  ask(dash: Buffer, extension: Buffer): Said {
    const status = statSync(this.#path);
    if (!status.isDirectory() || status.mode & (writableByOthers | sticky)) return "more";
    const readable = status.size <= largestDirectory && isSettled(status);
    const names = readable ? this.#names.of(status, () => namesIn(this.#path)) : undefined;
    for (const { name } of dotQmailNames({ dash, extension })) {
      const text = name.toString("latin1");
      // What has a slash in it is in a directory below, whose names are not known.
      if (names !== undefined && !names.has(text) && !text.includes("/")) continue;
      const said = this.#read(name, text);
      if (said !== undefined) return said;
    }
    return dash.length === 0 ? "empty" : "more";
  }

  /** Undefined: there is no such file. */
  #read(name: Buffer, text: string): Said | undefined {
    const path = below(this.#path, name);
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined || !status.isFile()) return undefined;
    const kept = this.#files.get(text) ?? new Kept<Said>();
    if (this.#files.size >= mostFiles) this.#files.clear();
    this.#files.set(text, kept);
    return kept.of(status, () => said(status, path));
  }
}

function said(status: Stats, path: Buffer): Said {
  if (status.mode & (writableByOthers | executableByOwner) || status.size > largestFile) return "more";
  const text = readFileSync(path);
  if (text.length === 0) return "empty";
  return onlyMaildir({ text, forwardOnly: false }) ?? "more";
}

const beginning = bytes(".qmail");

function namesIn(home: Buffer): Set<string> {
  const names = readdirSync(home, { encoding: "buffer" });
  return new Set(
    names
      .filter((name) => name.subarray(0, beginning.length).equals(beginning))
      .map((name) => name.toString("latin1")),
  );
}
