/** cdb files replaced as a whole, so that a reader meets the old file or the new one and nothing between them. */
import { closeSync, constants, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { CdbMaker } from "../bytes/cdb.ts";
import { isSystemError, temporary } from "../exit.ts";
import { syncDirectory, syncFile } from "../sys/durable.ts";
import { errorText } from "../sys/errors.ts";
import { Writer } from "../sys/fd.ts";

/** A new cdb file on its way: made under a temporary name, moved into place when it is complete and durable. */
export class CdbReplacement {
  readonly #temporary: string;
  readonly #fd: number;
  readonly #out: Writer;
  readonly #maker = new CdbMaker();

  /** Opens the temporary file, or empties the one that is left from an earlier try. */
  constructor(temporary: string) {
    const { O_WRONLY, O_NONBLOCK, O_CREAT, O_TRUNC } = constants;
    this.#temporary = temporary;
    this.#fd = openSync(temporary, O_WRONLY | O_NONBLOCK | O_CREAT | O_TRUNC, 0o644);
    this.#out = new Writer(this.#fd);
    this.#out.write(Buffer.alloc(CdbMaker.headerSize));
  }

  add(key: Uint8Array, data: Uint8Array): void {
    this.#out.write(this.#maker.add(key, data));
  }

  /** Completes the file and makes its content durable. */
  finish(): void {
    for (const table of this.#maker.tables()) this.#out.write(table);
    this.#out.flush();
    const header = this.#maker.header();
    for (let done = 0; done < header.length; )
      done += writeSync(this.#fd, header, done, header.length - done, done);
    syncFile(this.#fd);
    closeSync(this.#fd);
  }

  /** Gives the finished file its name, durably. */
  moveTo(path: string): void {
    renameSync(this.#temporary, path);
    syncDirectory(dirname(path));
  }

  /** Removes the temporary file of a try that failed. */
  discard(): void {
    unlinkSync(this.#temporary);
  }
}

/** A step of a program that compiles a cdb: where it fails, the program ends (111) with these words and the reason. */
export function stepsOf(program: string): <Result>(words: string, step: () => Result) => Result {
  return (words, step) => {
    try {
      return step();
    } catch (failure) {
      const end = (reason: string) => temporary(`${program}: fatal: ${words}${reason}\n`);
      if (isSystemError(failure)) throw end(errorText(failure.errno));
      // The maker's: a cdb has 32-bit positions.
      if (failure instanceof RangeError) throw end(errorText("EFBIG"));
      throw failure;
    }
  };
}
