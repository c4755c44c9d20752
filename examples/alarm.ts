/**
 * A program that has something to say: `node alarm.js OWNER` tells OWNER, with a header of its own and a name that needs
 * quotation marks. With QMAILHOME, or in /var/qmail.
 */
import { hostname } from "node:os";
import { formatField } from "qmail-ts/address";
import { inject } from "qmail-ts/inject";

const owner = process.argv[2] ?? "postmaster";
const header = [
  formatField("From", [{ address: "watchdog", name: `${hostname()}: watchdog` }]),
  formatField("To", [{ address: owner }]),
  "Subject: the disk is nearly full\n",
].join("");
const { pid } = await inject(`${header}\nPlease look after it.\n`);
console.log(`qp ${pid}`);
