/** forward(1): sends the message on to the addresses in its arguments, from $NEWSENDER. */
import { required, sendOn } from "../core/delivery/forwarding.ts";
import { Exit } from "../core/exit.ts";

const program = "forward";

export async function main(addresses: Buffer[]): Promise<number> {
  const sender = required(program, "NEWSENDER");
  const pid = await sendOn(program, required(program, "DTLINE"), sender, addresses);
  throw new Exit(0, `${program}: qp ${pid}\n`);
}
