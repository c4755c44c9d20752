/** What the environment says about the connection that a server was started for (tcp-env(8)). */
import type { Receipt } from "../mail/received.ts";
import { environment } from "./arguments.ts";

/** Where variables are looked up: the environment, or what a resident server knows of one connection. */
export type Variables = (name: string) => Buffer | undefined;

/** Who the client is and who we are. What is not known is `unknown`. */
export function connection(variable: Variables = environment): Omit<Receipt, "protocol" | "helo"> {
  return {
    local: variable("TCPLOCALHOST") ?? variable("TCPLOCALIP") ?? "unknown",
    remoteIp: variable("TCPREMOTEIP") ?? "unknown",
    remoteHost: variable("TCPREMOTEHOST") ?? "unknown",
    remoteInfo: variable("TCPREMOTEINFO"),
  };
}
