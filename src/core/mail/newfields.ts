/** The fields that a message gets where it lacks them (qmail-header(5)). Texts are byte strings. */
import { date822, dateDigits } from "./date.ts";
import { needsQuotes } from "./quote.ts";
import { sign, type Token } from "./token822.ts";

/** Who injects, as the environment tells; the host is completed like any other. */
export interface Author {
  user: string;
  host: string | undefined;
  name: string | undefined;
  /** User and host of the envelope sender. */
  senderUser: string;
  senderHost: string | undefined;
}

const word = (kind: "atom" | "quoted" | "comment", text: string): Token => ({ kind, text });

/** `Date: ...`, in GMT. */
export const dateField = (time: number): string => `Date: ${date822(time)}`;

/** A Message-ID that no other message has, as long as no process number is used twice within a second. */
export function messageIdField(time: number, process: number | string, idHost: string): string {
  return `Message-ID: <${dateDigits(time)}.${process}.qmail@${idHost}>\n`;
}

/** A From field for who injects: `"Name" <user@host>`; with the name as a comment: `user@host (Name)`. */
export function fromField({ user, host, name }: Author, nameAsComment: boolean): Token[] {
  const kind = needsQuotes(Buffer.from(user, "latin1")) ? "quoted" : "atom";
  const address = [word(kind, user), ...atHost(host)];
  const field = [word("atom", "From"), sign(":")];
  if (name === undefined) return [...field, ...address];
  if (nameAsComment) return [...field, ...address, word("comment", name)];
  return [...field, word("quoted", name), sign("<"), ...address, sign(">")];
}

/** A Return-Path field for who injects; `suffix` follows the user. */
export function returnPathField({ senderUser, senderHost }: Author, suffix: string): Token[] {
  const user = word("quoted", senderUser + suffix);
  return [word("atom", "Return-Path"), sign(":"), user, ...atHost(senderHost)];
}

function atHost(host: string | undefined): Token[] {
  return host === undefined ? [] : [sign("@"), word("atom", host)];
}
