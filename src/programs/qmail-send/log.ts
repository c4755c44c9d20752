/** Strangers' words in the log (qmail-log(5)). */

/** A line feed becomes a slash; blanks, percent signs and what is not printable ASCII become underscores. */
export function logSafe(text: string): string {
  return text.replace(/[^!-$&-~]/g, (character) => (character === "\n" ? "/" : "_"));
}
