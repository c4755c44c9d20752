/** Messages for the measurements. */

/** A message of about `size` bytes with lines that end in LF. `token` makes it one that is found again. */
export function message(size: number, token: string, to = "list@test.example"): string {
  const head = `From: bench <bench@test.example>\nTo: ${to}\nSubject: measured\nX-Token: ${token}\n\n`;
  const line = "The quick brown fox jumps over the lazy dog, and then again, for a line.\n";
  return head + line.repeat(Math.max(1, Math.ceil((size - head.length) / line.length)));
}

/** The token of a message, where its first kilobytes have one. */
export function tokenOf(text: string): string | undefined {
  return /^X-Token: (\S+)\r?$/m.exec(text)?.[1];
}
