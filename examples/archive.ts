/**
 * Keeps a copy of every message that comes: `node archive.js FROM TO` watches the Maildir FROM and delivers each new
 * message to the Maildir TO, too. A message is moved to FROM's `cur` when its copy is durable: whatever happens in
 * between, none is missed. A number as a third word ends it after so many messages.
 */
import { Maildir } from "qmail-ts/maildir";

const [from = "", to = "", most = "Infinity"] = process.argv.slice(2);
const archive = await Maildir.create(to);
let copied = 0;
for await (const message of new Maildir(from).watch()) {
  const copy = await archive.deliver(message.stream());
  await message.moveToCur();
  console.log(`${message.size} bytes, kept in ${copy.folder}`);
  copied++;
  if (copied >= Number(most)) break;
}
