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

/** The line of a control file that decided; a line `key:` of virtualdomains makes an exception of its key. */
export type RoutingRule =
  | { kind: "locals"; host: string }
  | { kind: "virtualdomains"; key: string; prepend: string }
  | { kind: "none"; exception?: string };

/** A route with its reasons. */
export interface Decision extends Route {
  /** What was made of the recipient before a rule was looked for, in order. */
  rewritten: readonly { by: "envnoathost" | "percenthack"; address: string }[];
  rule: RoutingRule;
}

interface VirtualDomain {
  key: string;
  prepend: string;
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
    return this.decide(recipient);
  }

  /** The route of an envelope recipient, and why it is that one. */
  decide(recipient: string): Decision {
    const rewritten: { by: "envnoathost" | "percenthack"; address: string }[] = [];
    let address = recipient;
    if (!recipient.includes("@")) {
      address = `${recipient}@${this.controls.envNoAtHost}`;
      rewritten.push({ by: "envnoathost", address });
    }
    for (address of this.#unhack(address)) rewritten.push({ by: "percenthack", address });
    const host = address.slice(address.lastIndexOf("@") + 1);
    if (this.#locals.has(fold(host)))
      return { channel: 0, address, rewritten, rule: { kind: "locals", host } };
    const found = this.#virtual(fold(address)) ?? this.#virtualDomain(host);
    if (found === undefined) return { channel: 1, address, rewritten, rule: { kind: "none" } };
    const { key, prepend } = found;
    return prepend === ""
      ? { channel: 1, address, rewritten, rule: { kind: "none", exception: key } }
      : {
          channel: 0,
          address: `${prepend}-${address}`,
          rewritten,
          rule: { kind: "virtualdomains", key, prepend },
        };
  }

  /** The address without what virtualdomains put in front of it, as a bounce names it. */
  withoutPrepend(address: string): string {
    const at = address.lastIndexOf("@");
    const prepend = at < 0 ? undefined : this.#virtualDomain(address.slice(at + 1))?.prepend;
    return prepend && address.startsWith(`${prepend}-`) ? address.slice(prepend.length + 1) : address;
  }

  /** user%host@hacked becomes user@host, again and again: each form. */
  *#unhack(full: string): Generator<string> {
    let address = full;
    for (let at = full.lastIndexOf("@"); this.#percentHack.has(fold(address.slice(at + 1))); ) {
      const percent = address.slice(0, at).lastIndexOf("%");
      if (percent < 0) break;
      address = `${address.slice(0, percent)}@${address.slice(percent + 1, at)}`;
      at = percent;
      yield address;
    }
  }

  /** The entry of a domain: its own, else that of the longest wildcard, else the catch-all. */
  #virtualDomain(domain: string): VirtualDomain | undefined {
    const key = fold(domain);
    for (let start = 0; start >= 0; start = key.indexOf(".", start + 1)) {
      const found = this.#virtual(key.slice(start));
      if (found !== undefined) return found;
    }
    return this.#virtual("");
  }

  #virtual(key: string): VirtualDomain | undefined {
    const prepend = this.#prepends.get(key);
    return prepend === undefined ? undefined : { key, prepend };
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
