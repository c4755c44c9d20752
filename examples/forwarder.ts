/**
 * Sends a message on to everybody whom its To and Cc name, as it is: `node forwarder.js FILE`. The envelope is our own:
 * bounces go nowhere.
 */
import { createReadStream, readFileSync } from "node:fs";
import { parseAddresses } from "qmail-ts/address";
import { enqueue } from "qmail-ts/queue";

const file = process.argv[2] ?? "/dev/stdin";
const [header = ""] = readFileSync(file, "utf8").split("\n\n");
const fields = header.replace(/\n[ \t]+/g, " ").split("\n");
const recipients = fields
  .filter((field) => /^(to|cc):/i.test(field))
  .flatMap((field) => parseAddresses(field.slice(3), { defaultHost: "localhost" }))
  .map(({ address }) => address);
await enqueue(createReadStream(file), { sender: "", recipients });
console.log(recipients.join("\n"));
