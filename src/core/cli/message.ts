/** A message decoded for people to read. The only user of mailparser; never on the way of mail. */
import { createReadStream } from "node:fs";
import { MailParser } from "mailparser";

/** Fields worth showing, in this order. */
const shown = ["from", "to", "cc", "subject", "date", "message-id", "reply-to"] as const;

/** Characters of HTML that are made text; more is hardly written for people. */
const longestHtml = 4_000_000;

/** What is to be read. */
export interface ReadableMessage {
  /** Name, as in `Subject`, and decoded value. */
  fields: readonly (readonly [name: string, value: string])[];
  text: string;
  attachments: readonly { name: string; type: string; size: number }[];
}

/** Decodes the message in a file; its attachments are read, but not kept. Rejects with a SystemError. */
export async function readMessage(path: string): Promise<ReadableMessage> {
  const parser = new MailParser({
    skipTextToHtml: true,
    skipImageLinks: true,
    maxHtmlLengthToParse: longestHtml,
  });
  const fields: [string, string][] = [];
  const attachments: ReadableMessage["attachments"][number][] = [];
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  parser.on("headers", (headers) => {
    for (const name of shown) {
      const value = textIn(headers.get(name));
      if (value !== "") fields.push([properName(name), value]);
    }
  });
  parser.on("data", (part) => {
    if (part.type === "text") {
      text = part.text ?? "";
      return;
    }
    const { filename, contentType } = part;
    let size = 0;
    part.content.on("data", (piece: Uint8Array) => {
      size += piece.length;
    });
    part.content.on("end", () => {
      attachments.push({ name: filename || "(no name)", type: contentType, size });
      part.release?.();
    });
  });
  parser.on("end", resolve);
  parser.on("error", reject);
  const file = createReadStream(path);
  file.on("error", reject);
  file.pipe(parser);
  await promise;
  return { fields, text, attachments };
}

const properName = (name: string): string =>
  name === "message-id" ? "Message-ID" : name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());

/** The text of a parsed field: addresses, dates and texts come in different shapes, and a repeated field as a list. */
function textIn(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toUTCString();
  if (Array.isArray(value)) return value.map(textIn).join(", ");
  if (typeof value === "object" && value !== null && "text" in value) return textIn(value.text);
  return "";
}
