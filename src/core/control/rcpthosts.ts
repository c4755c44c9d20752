/** Lists of hosts and `.domain`s, above all control/rcpthosts: whom strangers may send mail to (qmail-smtpd(8)). */
import { bytes, lowerCase } from "../bytes/text.ts";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";
import { CdbFile } from "./cdbfile.ts";
import { hasControl, readControl, significantLines } from "./control.ts";

const at = 64;

/** What was made of the bytes of a file, for as long as they are kept. */
const lists = new WeakMap<Buffer, HostList>();

/** A control file that lists hosts, and `.domain`s for all below them, as it is at the time of the call. */
export class HostList {
  readonly #hosts: ReadonlySet<string>;

  constructor(lines: readonly Buffer[]) {
    this.#hosts = new Set(lines.map((line) => lowerCase(line).toString("latin1")));
  }

  /** The list in a control file; undefined: no such file. Throws where it cannot be read. */
  static read(name: string): HostList | undefined {
    const bytes = readControl(name);
    if (bytes === undefined) return undefined;
    const known = lists.get(bytes);
    if (known !== undefined) return known;
    const list = new HostList(significantLines(bytes));
    lists.set(bytes, list);
    return list;
  }

  /** Whether the host of an address is listed; without an @ it has none. */
  has(address: Buffer): boolean {
    return endings(address).some((name) => this.#hosts.has(name));
  }
}

/** control/rcpthosts and control/morercpthosts.cdb as they are at the time of the call. Throws where they cannot be read. */
export class RcptHosts {
  readonly #hosts = HostList.read("rcpthosts");
  readonly #more = this.#hosts && openMore();

  /**
   * Whether mail for an address is taken: where there is no rcpthosts, where the address has no @, or where its host
   * or a `.domain` at the end of it is listed. Throws CdbDamaged or a system error.
   */
  allows(address: Buffer): boolean {
    if (this.#hosts === undefined || !address.includes(at) || this.#hosts.has(address)) return true;
    const more = this.#more;
    return more !== undefined && endings(address).some((name) => more.find(bytes(name)) !== undefined);
  }

  close(): void {
    this.#more?.close();
  }
}

function openMore(): CdbFile | undefined {
  const name = "morercpthosts.cdb";
  try {
    // Asking first costs less than an error, and most hosts have none.
    return hasControl(name) ? new CdbFile(inHome("control", name)) : undefined;
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** Of `a@B.c.d`: `b.c.d`, `.c.d`, `.d`; a character each byte. */
function endings(address: Buffer): string[] {
  const separator = address.lastIndexOf(at);
  if (separator < 0) return [];
  const host = lowerCase(address.subarray(separator + 1)).toString("latin1");
  const found = host === "" ? [] : [host];
  for (let start = host.indexOf(".", 1); start >= 0; start = host.indexOf(".", start + 1))
    found.push(host.slice(start));
  return found;
}
