/** The fields that qmail-inject treats in a way of their own (qmail-header(5)). */
import type { FieldName } from "./header.ts";

/** Why a field's addresses matter. */
export type Role = "to" | "hidden" | "resent" | "sender" | "return-path";

/** The role of every field with addresses. */
export const roles: ReadonlyMap<FieldName, Role> = new Map([
  ["to", "to"],
  ["cc", "to"],
  ["bcc", "hidden"],
  ["apparently-to", "hidden"],
  ["resent-to", "resent"],
  ["resent-cc", "resent"],
  ["resent-bcc", "resent"],
  ["return-path", "return-path"],
  ["sender", "sender"],
  ["from", "sender"],
  ["reply-to", "sender"],
  ["return-receipt-to", "sender"],
  ["errors-to", "sender"],
  ["resent-sender", "sender"],
  ["resent-from", "sender"],
  ["resent-reply-to", "sender"],
]);

/** Fields in which anything goes: what is no list of addresses stays as it is. */
export const lenient: ReadonlySet<Role> = new Set(["to", "hidden", "resent"]);
/** Fields that do not go out. */
export const removed: ReadonlySet<FieldName> = new Set([
  "bcc",
  "resent-bcc",
  "return-path",
  "content-length",
]);
/** A letter of $QMAILINJECT that makes a field be ignored. */
export const ignoredBy: ReadonlyMap<FieldName, string> = new Map([
  ["from", "f"],
  ["message-id", "i"],
  ["return-path", "s"],
]);
/** Any of these makes the message a resent one. */
export const resentFields: readonly FieldName[] = [
  "resent-sender",
  "resent-from",
  "resent-reply-to",
  "resent-to",
  "resent-cc",
  "resent-bcc",
  "resent-date",
  "resent-message-id",
];
