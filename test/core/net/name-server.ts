/** The scripted name server on a thread of its own: one way to ask waits, and a server on its thread could not answer. */
import { startNameServer } from "../../conformance/dns.ts";

declare const self: Worker;

const server = await startNameServer(
  {
    zone: {
      "a.dom": { A: ["10.0.0.1", "10.0.0.2"] },
      "mx.dom": { MX: [[5, "a.dom"]] },
      "alias.dom": { CNAME: "a.dom" },
      "lost.dom": { CNAME: "nowhere.dom" },
      "long.dom": { A: Array.from({ length: 100 }, (_, index) => `10.1.0.${index}`) },
    },
    servfail: ["fail.dom"],
  },
  0,
);
self.postMessage(server.port);
