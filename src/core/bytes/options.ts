/**
 * Command line options as qmail's programs have always read them: letters in groups, an argument behind its letter or
 * in the next word, nothing permuted; `--` and the first word that is no option end them.
 */
import { permanent } from "../exit.ts";

/** What a program says about its options. */
export interface Grammar {
  /** Name for the complaint. */
  program: string;
  /** The letters; a colon behind a letter: it takes an argument. */
  letters: string;
  /** What follows the complaint about a wrong option, with its line feed. */
  usage?: string;
  /** Wrong options are passed over without a word. */
  tolerant?: boolean;
}

/** One option of the command line; `argument` is empty where the letter takes none. */
export interface Option {
  letter: string;
  argument: Buffer;
}

const hyphen = 45;

/** The options of one command line, in order. A wrong one is a permanent error. */
export class Options implements IterableIterator<Option> {
  readonly #grammar: Grammar;
  readonly #words: readonly Buffer[];
  #word = 0;
  #position = 0;

  constructor(words: readonly Buffer[], grammar: Grammar) {
    this.#words = words;
    this.#grammar = grammar;
  }

  [Symbol.iterator](): this {
    return this;
  }

  /** The next option. */
  next(): IteratorResult<Option> {
    for (let letter = this.#letter(); letter !== undefined; letter = this.#letter()) {
      const found = this.#grammar.letters.indexOf(letter);
      if (found < 0 || letter === ":") this.#complain("illegal option", letter);
      else if (this.#grammar.letters[found + 1] !== ":")
        return { done: false, value: { letter, argument: Buffer.alloc(0) } };
      else {
        const argument = this.#argument();
        if (argument === undefined) this.#complain("option requires an argument", letter);
        else return { done: false, value: { letter, argument } };
      }
    }
    return { done: true, value: undefined };
  }

  /** The words behind the options; only after the last option was taken. */
  get rest(): Buffer[] {
    return this.#words.slice(this.#word);
  }

  /** Forgets what is left of the present group: for letters whose argument is optional. */
  skipGroup(): void {
    this.#position = this.#words[this.#word]?.length ?? 0;
  }

  #letter(): string | undefined {
    if (this.#position > 0 && this.#position >= (this.#words[this.#word]?.length ?? 0)) this.#nextWord();
    const word = this.#words[this.#word];
    if (word === undefined) return undefined;
    if (this.#position === 0) {
      if (word[0] !== hyphen || word.length === 1) return undefined;
      if (word[1] === hyphen) {
        this.#nextWord();
        return undefined;
      }
      this.#position = 1;
    }
    return String.fromCharCode(word[this.#position++] ?? 0);
  }

  #argument(): Buffer | undefined {
    const attached = this.#words[this.#word]?.subarray(this.#position);
    this.#nextWord();
    if (attached !== undefined && attached.length > 0) return attached;
    const argument = this.#words[this.#word];
    if (argument !== undefined) this.#nextWord();
    return argument;
  }

  #nextWord(): void {
    this.#word++;
    this.#position = 0;
  }

  #complain(complaint: string, letter: string): void {
    const { program, usage = "", tolerant = false } = this.#grammar;
    if (!tolerant) throw permanent(`${program}: ${complaint} -- ${letter}\n${usage}`);
  }
}
