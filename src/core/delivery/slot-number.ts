/**
 * How a delivery is numbered between qmail-send and its spawners. The interface of qmail has one byte for it, and so at
 * most 255 deliveries at a time. Where qmail-start finds that all of them are programs of ours, it tells each to use
 * two bytes, the higher one first, for the spawner's limit and for every number. Nobody has to guess: whoever was not
 * told speaks as ever.
 */

/** Bytes of a delivery number, and of a spawner's limit. */
export type SlotWidth = 1 | 2;

/** Set to `2` by qmail-start. */
export const widthVariable = "QMAILSLOTWIDTH";

/** What qmail-start said. Also forgets it: the variable is nothing for the programs that users run. */
export function takeSlotWidth(environment: NodeJS.ProcessEnv = process.env): SlotWidth {
  const width = environment[widthVariable] === "2" ? 2 : 1;
  delete environment[widthVariable];
  return width;
}

export function encodeSlot(slot: number, width: SlotWidth): Buffer {
  return width === 1 ? Buffer.of(slot) : Buffer.of(slot >> 8, slot & 0xff);
}

/** Reads the number at the beginning of the bytes. */
export function decodeSlot(bytes: Buffer, width: SlotWidth): number {
  return bytes.readUIntBE(0, width);
}
