/** `qmail queue show`: one message for a person, or as it is. */
import { closeSync, openSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { realDisk } from "../queue/disk.ts";
import type { QueuedMessage } from "../queue/queued.ts";
import { errorText } from "../sys/errors.ts";
import { copyAll, readAll } from "../sys/fd.ts";
import type { Paint } from "./paint.ts";
import { decoded, oneLine, severalLines } from "./people.ts";
import { asJson, listed } from "./queue-words.ts";
import { attempt, fail } from "./trouble.ts";

/** How it is shown. `now` is in seconds. */
export interface Showing {
  say: (line: string) => void;
  colours: Paint;
  now: number;
  json: boolean;
}

/** Copies a message to descriptor 1, in constant memory. */
export function showRaw(id: bigint): void {
  attempt(`read message ${id}`, () => withFile(realDisk.path("mess", id), (fd) => copyAll(fd, 1)));
}

/** Envelope, failures, header, text and what is attached. */
export async function showMessage(
  message: QueuedMessage,
  { say, colours, now, json }: Showing,
): Promise<void> {
  const { id } = message;
  // It takes its time to load, and nothing else needs it.
  const { readMessage } = await import("./message.ts");
  const content = await readMessage(realDisk.path("mess", id)).catch((failure: unknown) => {
    if (isSystemError(failure)) throw fail(`unable to read message ${id}: ${errorText(failure.code)}`);
    throw failure;
  });
  const failures = message.failures ? failuresOf(id) : "";
  if (json) {
    const { fields, text, attachments } = content;
    say(JSON.stringify({ ...asJson(message), failed: failures, fields, text, attachments }));
    return;
  }
  for (const line of listed(message, now, colours)) say(line);
  if (failures !== "") say(colours.bad(severalLines(failures).trimEnd()));
  say("");
  for (const [name, value] of content.fields) say(`${colours.strong(name)}: ${oneLine(value)}`);
  say("");
  if (content.text !== "") say(severalLines(content.text).trimEnd());
  for (const { name, type, size } of content.attachments)
    say(colours.quiet(`attached: ${oneLine(name)}, ${oneLine(type)}, ${size} bytes`));
}

/** What the sender will be told so far. */
const failuresOf = (id: bigint): string =>
  attempt(`read bounce/${id}`, () =>
    decoded(withFile(realDisk.path("bounce", id), (fd) => readAll(fd).toString("latin1"))),
  );

function withFile<Result>(path: string, use: (fd: number) => Result): Result {
  const fd = openSync(path, "r");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
