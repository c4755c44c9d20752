/** Strangers' words for people: on a terminal they must not do anything but be read. */

const bidi = "\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069";
const unsafe = new RegExp(`[\\u0000-\\u001f\\u007f-\\u009f${bidi}]`, "g");
const unsafeInText = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${bidi}]`, "g");

/** A line: what is no printable character becomes a question mark. */
export const oneLine = (text: string): string => text.replace(unsafe, "?");

/** Text of several lines: line feeds and tabs stay. */
export const severalLines = (text: string): string => text.replace(/\r\n/g, "\n").replace(unsafeInText, "?");

/** Bytes, one a character, as the UTF-8 they are meant to be. */
export const decoded = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");
