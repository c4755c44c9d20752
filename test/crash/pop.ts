/** A Maildir with two messages, a POP3 session that takes the first away, and what may have become of them. */
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const popSession = "STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";

const texts: Readonly<Record<string, string>> = {
  "1.1.x": "Subject: 1\n\nfirst\n",
  "2.1.x": "Subject: 2\n\nsecond\n",
};

/** Makes the Maildir anew. */
export function fillBox(box: string): void {
  rmSync(box, { recursive: true, force: true });
  for (const part of ["new", "cur", "tmp"]) mkdirSync(join(box, part), { recursive: true });
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(box, "new", name), text);
    // What is of this second is left for the next session.
    utimesSync(join(box, "new", name), 1e9, 1e9);
  }
}

/** In words: what became of it. */
export const becameOf = (box: string): string =>
  ["new", "cur"].flatMap((part) => readdirSync(join(box, part))).length < Object.keys(texts).length
    ? "removed as told"
    : "nothing removed";

/** What is wrong with it after a session that heard this. */
export function judgeBox(box: string, output: string): string[] {
  const kept = ["new", "cur"].flatMap((part) =>
    readdirSync(join(box, part)).map((name) => readFileSync(join(box, part, name), "latin1")),
  );
  const retrieved = /\+OK \r\n(Subject: .*\r\n\r\n.*\r\n)\r\n\.\r\n/
    .exec(output)?.[1]
    ?.replaceAll("\r\n", "\n");
  const all = Object.values(texts);
  const gone = all.filter((text) => !kept.includes(text));
  const deleted = (output.match(/\+OK/g) ?? []).length >= 3;
  return [
    ...(kept.every((text) => all.includes(text)) ? [] : ["a torn message"]),
    // Number 1 is another message where one could not be looked at.
    ...(gone.length === 0 || (gone.length === 1 && deleted) ? [] : ["a message is gone that nobody deleted"]),
    ...(retrieved === undefined || all.includes(retrieved) ? [] : ["a torn message was sent"]),
    ...(retrieved === undefined || gone.every((text) => text === retrieved)
      ? []
      : ["the wrong message is gone"]),
  ];
}
