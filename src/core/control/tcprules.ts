/** Rules about clients, as tcprules compiles them and tcpserver reads them: which rule is for whom, and what it says. */

/** Who connects; what is not known is undefined. */
export interface RuleClient {
  ip: string;
  host?: string | undefined;
  info?: string | undefined;
}

/** What a rule says. `variables` are those before the rule denies. */
export interface Rule {
  denied: boolean;
  variables: readonly (readonly [string, Buffer])[];
}

/** The keys to try, the first that is there counts. An IPv6 address is shortened at its colons. */
export function* ruleKeys({ ip, host, info }: RuleClient): Generator<string> {
  if (info !== undefined) {
    yield `${info}@${ip}`;
    if (host !== undefined) yield `${info}@=${host}`;
  }
  yield ip;
  if (host !== undefined) yield `=${host}`;
  for (let end = ip.length; end > 0; end--) if (/[.:]/.test(ip.charAt(end - 1))) yield ip.slice(0, end);
  if (host !== undefined) {
    for (let start = 0; start < host.length; start++) if (host[start] === ".") yield `=${host.slice(start)}`;
    yield "=";
  }
  yield "";
}

const nul = 0;

/** Reads a rule's data: strings that end with NUL, `D` or `+NAME=VALUE`. */
export function readRule(data: Buffer): Rule {
  const variables: [string, Buffer][] = [];
  for (let start = 0, end = data.indexOf(nul); end >= 0; start = end + 1, end = data.indexOf(nul, start)) {
    const word = data.toString("latin1", start, end);
    if (word.startsWith("D")) return { denied: true, variables };
    const sign = word.indexOf("=");
    if (word.startsWith("+") && sign > 0)
      variables.push([word.slice(1, sign), data.subarray(start + sign + 1, end)]);
  }
  return { denied: false, variables };
}

/** The rule for a client; `find` looks a key up. Undefined: there is none. */
export function ruleFor(
  client: RuleClient,
  find: (key: Buffer) => Buffer | undefined,
): (Rule & { key: string }) | undefined {
  for (const key of ruleKeys(client)) {
    const data = find(Buffer.from(key, "latin1"));
    if (data !== undefined) return { key, ...readRule(data) };
  }
  return undefined;
}

/** A line that is no rule. */
export class BadRule extends Error {}

/** The records that a line of a rules file makes: [key, data]. Throws BadRule. */
export function compileRule(source: Buffer): [Buffer, Buffer][] {
  const line = source.toString("latin1").replace(/[ \t\n]+$/, "");
  const colon = colonOf(line);
  if (line === "" || line.startsWith("#") || colon < 0) return [];
  const data = Buffer.from(ruleData(line.slice(colon + 1)), "latin1");
  return addresses(line.slice(0, colon)).map((address) => [Buffer.from(address, "latin1"), data]);
}

/** The colon behind the address; one with colons of its own, as IPv6 has, was never a rule before. */
function colonOf(line: string): number {
  const first = line.indexOf(":");
  if (/^(allow|deny)/.test(line.slice(first + 1))) return first;
  return /^[0-9a-fA-F.:]*(?=:(?:allow|deny))/.exec(line)?.[0].length ?? first;
}

function ruleData(instructions: string): string {
  const [, verdict, list = ""] = /^(deny|allow)(.*)$/s.exec(instructions) ?? [];
  if (verdict === undefined) throw new BadRule();
  let data = verdict === "deny" ? "D\0" : "";
  for (let rest = list; rest !== ""; ) {
    // NAME="VALUE", any character in the place of the quotes.
    const [whole, name, , value] = /^,([^=]*)=(.)(.*?)\2/s.exec(rest) ?? [];
    if (whole === undefined) throw new BadRule();
    data += `+${name}=${value}\0`;
    rest = rest.slice(whole.length);
  }
  return data;
}

const mostOfRange = 65536;

/** `10.1-3.` is 10.1., 10.2. and 10.3.; an address with = or @ has no ranges. */
function addresses(address: string): string[] {
  const hyphen = address.indexOf("-");
  if (hyphen < 0 || /[=@]/.test(address)) return [address];
  const left = address.slice(0, hyphen);
  const right = address.slice(hyphen + 1);
  const dot = left.lastIndexOf(".") + 1;
  const stop = right.indexOf(".");
  const after = stop < 0 ? "" : right.slice(stop);
  const [first, last] = [left.slice(dot), stop < 0 ? right : right.slice(0, stop)];
  if (!/^\d*$/.test(first) || !/^\d*$/.test(last)) throw new BadRule();
  const [from, to] = [Number(first), Number(last)];
  if (to - from >= mostOfRange) throw new BadRule();
  return Array.from(
    { length: Math.max(0, to - from + 1) },
    (_, index) => `${left.slice(0, dot)}${from + index}${after}`,
  );
}
