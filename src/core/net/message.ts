/** Reading the message of a delivery. */
import { readSome } from "../sys/fd.ts";

/** Reads the next piece; 0 is the end. Throws system errors. */
export type Read = (buffer: Uint8Array) => number;

/** From where a descriptor stands on. */
export const reader =
  (fd: number): Read =>
  (buffer) =>
    readSome(fd, buffer);

/** From the beginning of a file, however often it was read before. */
export function readerFromStart(fd: number): Read {
  let position = 0;
  return (buffer) => {
    const length = readSome(fd, buffer, position);
    position += length;
    return length;
  };
}
