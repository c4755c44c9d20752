/** control/rcpthosts and control/morercpthosts.cdb: the domains that strangers may send mail to (qmail-smtpd(8)). */
import { lowerCase } from "../bytes/text.ts";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";
import { CdbFile } from "./cdbfile.ts";
import { controlLines } from "./control.ts";

const at = 64;
const dot = 46;

/** The lists as they are at the time of the call. Throws where they cannot be read. */
export class RcptHosts {
  readonly #hosts: ReadonlySet<string> | undefined;
  readonly #more: CdbFile | undefined;

  constructor() {
    const lines = controlLines("rcpthosts");
    this.#hosts = lines && new Set(lines.map((line) => lowerCase(line).toString("latin1")));
    this.#more = lines && openMore();
  }

  /**
   * Whether mail for an address is taken: where there is no rcpthosts, where the address has no @, or where its host
   * or a `.domain` at the end of it is listed. Throws CdbDamaged or a system error.
   */
  allows(address: Buffer): boolean {
    const separator = address.lastIndexOf(at);
    if (this.#hosts === undefined || separator < 0) return true;
    const names = endings(lowerCase(address.subarray(separator + 1)));
    const listed = names.some((name) => this.#hosts?.has(name.toString("latin1")));
    return listed || names.some((name) => this.#more?.find(name) !== undefined);
  }

  close(): void {
    this.#more?.close();
  }
}

function openMore(): CdbFile | undefined {
  try {
    return new CdbFile(inHome("control", "morercpthosts.cdb"));
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** The host, and every part of it that begins with a dot: `a.b.c`, `.b.c`, `.c`. */
function endings(host: Buffer): Buffer[] {
  return Array.from(host.keys())
    .filter((index) => index === 0 || host[index] === dot)
    .map((index) => host.subarray(index));
}
