/** What the environment says about the connection that a server was started for (tcp-env(8)). */
import type { Receipt } from "../mail/received.ts";
import { environment } from "./arguments.ts";

/** Who the client is and who we are. What is not known is `unknown`. */
export function connection(): Omit<Receipt, "protocol" | "helo"> {
  return {
    local: environment("TCPLOCALHOST") ?? environment("TCPLOCALIP") ?? "unknown",
    remoteIp: environment("TCPREMOTEIP") ?? "unknown",
    remoteHost: environment("TCPREMOTEHOST") ?? "unknown",
    remoteInfo: environment("TCPREMOTEINFO"),
  };
}
