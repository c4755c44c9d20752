/** Reports of deliveries, made alike where only a host, an address or a number is different, so that they can be counted. */

const rules: readonly (readonly [RegExp, string])[] = [
  [/\/+$/, ""],
  [/\/?Giving_up_on_[^/]*(\/|$)/g, "$1"],
  [/\/Remote_host_said:_/g, "_"],
  [/<[^<>]*@[^<>]*>/g, "<ADDRESS>"],
  [/[_/]+/g, " "],
  [/(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\w)/g, "HOST"],
  [/(?<![\w:])(?:[0-9a-f]{1,4}:){1,7}(?::|[0-9a-f:]*[0-9a-f])(?![\w:])/gi, "HOST"],
  [/[\w.+=-]+@[\w-]+(?:\.[\w-]+)+/g, "ADDRESS"],
  [/\bany host named \S+/g, "any host named HOST"],
  [/\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{6,}\b/g, "ID"],
  [/\b\d{4,}\b/g, "N"],
];

/** The reason of a failure or deferral, as qmail-send logs it: `_` for blanks, `/` for line feeds. */
export function reasonOf(report: string): string {
  const text = rules.reduce((before, [shape, word]) => before.replace(shape, word), report).trim();
  return text === "" ? "(no reason given)" : text;
}
