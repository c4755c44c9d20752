/**
 * Where a recipient goes (qmail-send(8): envnoathost, percenthack, locals, virtualdomains), and the addresses that
 * depend on it. Addresses are strings whose characters are bytes; the case of ASCII letters does not matter in domains.
 */

/** What routing depends on; lists are lines of control files. */
export interface RoutingControls {
  locals: readonly string[];
  percentHack: readonly string[];
  /** Lines `key:prepend`; of equal keys the last counts. */
  virtualDomains: readonly string[];
  envNoAtHost: string;
}

/** A recipient as it goes to a spawner. */
export interface Route {
  /** 0 is local, 1 is remote. */
  channel: 0 | 1;
  address: string;
}

const fold = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Routes recipients by one reading of the control files. */
export class Routing {
  readonly controls: RoutingControls;
  readonly #locals: ReadonlySet<string>;
  readonly #percentHack: ReadonlySet<string>;
  readonly #prepends = new Map<string, string>();

  constructor(controls: RoutingControls) {
    this.controls = controls;
    this.#locals = new Set(controls.locals.map(fold));
    this.#percentHack = new Set(controls.percentHack.map(fold));
    for (const line of controls.virtualDomains) {
      const colon = line.indexOf(":");
      if (colon >= 0) this.#prepends.set(fold(line.slice(0, colon)), line.slice(colon + 1));
    }
  }

  /** The channel of an envelope recipient, and its address there. */
  route(recipient: string): Route {
    const full = recipient.includes("@") ? recipient : `${recipient}@${this.controls.envNoAtHost}`;
    const address = this.#unhack(full);
    const domain = address.lastIndexOf("@") + 1;
    if (this.#locals.has(fold(address.slice(domain)))) return { channel: 0, address };
    const prepend = this.#prepends.get(fold(address)) ?? this.#prependOf(address.slice(domain));
    return prepend ? { channel: 0, address: `${prepend}-${address}` } : { channel: 1, address };
  }

  /** The address without what virtualdomains put in front of it, as a bounce names it. */
  withoutPrepend(address: string): string {
    const at = address.lastIndexOf("@");
    const prepend = at < 0 ? undefined : this.#prependOf(address.slice(at + 1));
    return prepend && address.startsWith(`${prepend}-`) ? address.slice(prepend.length + 1) : address;
  }

  /** user%host@hacked becomes user@host, again and again. */
  #unhack(full: string): string {
    let address = full;
    for (let at = full.lastIndexOf("@"); this.#percentHack.has(fold(address.slice(at + 1))); ) {
      const percent = address.slice(0, at).lastIndexOf("%");
      if (percent < 0) break;
      address = `${address.slice(0, percent)}@${address.slice(percent + 1, at)}`;
      at = percent;
    }
    return address;
  }

  /** The prepend of a domain: its own entry, else that of the longest wildcard, else the catch-all's. */
  #prependOf(domain: string): string | undefined {
    const key = fold(domain);
    for (let start = 0; start >= 0; start = key.indexOf(".", start + 1)) {
      const prepend = this.#prepends.get(key.slice(start));
      if (prepend !== undefined) return prepend;
    }
    return this.#prepends.get("");
  }
}

/** The sender that a recipient sees: `list-@host-@[]` becomes `list-box=host@host` (addresses(5)). */
export function senderFor(sender: string, recipient: string): string {
  if (!sender.endsWith("-@[]")) return sender;
  const owner = sender.slice(0, -4);
  const at = owner.lastIndexOf("@");
  const split = recipient.lastIndexOf("@");
  if (at < 0 || split < 0) return sender;
  const box = recipient.slice(0, split);
  return `${owner.slice(0, at)}${box}=${recipient.slice(split + 1)}@${owner.slice(at + 1)}`;
}
