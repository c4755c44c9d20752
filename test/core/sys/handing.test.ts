import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { receiveWithDescriptor, sendWithDescriptor, socketPair } from "../../../src/core/sys/handing.ts";

test("bytes and an open file arrive together; later bytes bring none", () => {
  const [here, there] = socketPair();
  const file = openSync(import.meta.path, "r");
  const buffer = Buffer.alloc(100);
  sendWithDescriptor(here, Buffer.from("first"), file);
  const { length, fd } = receiveWithDescriptor(there, buffer.subarray(0, 2));
  expect([length, buffer.toString("latin1", 0, 2)]).toEqual([2, "fi"]);
  if (fd === undefined) throw new Error("no descriptor came");
  expect(fd).not.toBe(file);
  expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe(import.meta.path);
  expect(readFileSync(fd, "utf8")).toStartWith("import");
  // It is not for the programs that the receiver runs.
  const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
  expect(Number.parseInt(flags ?? "0", 8) & 0o2000000).not.toBe(0);
  expect(receiveWithDescriptor(there, buffer)).toEqual({ length: 3, fd: undefined });
  closeSync(fd);
  closeSync(file);
  closeSync(here);
  expect(receiveWithDescriptor(there, buffer)).toEqual({ length: 0, fd: undefined });
  closeSync(there);
});

test("nobody is there", () => {
  const [here, there] = socketPair();
  closeSync(there);
  expect(() => sendWithDescriptor(here, Buffer.from("x"), 0)).toThrow("EPIPE");
  closeSync(here);
});

test("who does not read keeps nobody waiting", () => {
  const [here, there] = socketPair();
  const sendMany = () => {
    for (let sent = 0; sent < 1000; sent++) sendWithDescriptor(here, Buffer.alloc(3000), 0);
  };
  expect(sendMany).toThrow(/EAGAIN|EMSGSIZE/);
  closeSync(here);
  closeSync(there);
});
