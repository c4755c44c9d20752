/**
 * Many connections to a server that stays, one after the other, each with a message or without, some ended badly: its
 * memory and its descriptors stay what they were.
 *
 *   bun test/scenarios/connections.ts [--count 10000]
 */
import { parseArgs } from "node:util";
import { shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

/** A server after a part of the connections. Memory (PSS) in kB. */
export interface Reading {
  connections: number;
  memory: number;
  descriptors: number;
  /** Its children, with their states. */
  children: string[];
}

export interface Course {
  readings: Reading[];
  /** Messages that the server accepted, and that are queued. */
  accepted: number;
  queued: number;
  /** Sessions that were not answered as they should. */
  wrong: string[];
  seconds: number;
  log: string;
}

const smtp = ways[0];
const message = smtp?.say(shortText) ?? "";

/** What the connections do in turn: most send nothing, one in ten a message; some leave by a reset. */
async function connect(server: Resident, number: number, course: Course): Promise<void> {
  const kind = number % 10;
  if (kind === 3 || kind === 7) {
    using talk = new Talk(server.port);
    talk.say(kind === 3 ? "MAIL FROM:<a@b>\r\n" : message.slice(0, message.indexOf("hi")));
    await talk.hears("220");
    talk.reset();
    return;
  }
  const heard = await session(server, kind === 0 ? message : "NOOP\r\nQUIT\r\n");
  const good = kind === 0 ? smtp?.accepted.test(heard) : heard.endsWith("250 ok\r\n221 test.example\r\n");
  if (good !== true) course.wrong.push(heard);
  else if (kind === 0) course.accepted++;
}

/** Makes so many connections, and looks at the server at `looks` points of the way. */
export async function connections(count: number, looks = 10): Promise<Course> {
  using home = new ServerHome();
  await using server = await Resident.start(home);
  const course: Course = { readings: [], accepted: 0, queued: 0, wrong: [], seconds: 0, log: "" };
  const start = Date.now();
  for (let number = 0; number < count; number++) {
    await connect(server, number, course);
    if ((number + 1) % Math.ceil(count / looks) > 0) continue;
    course.queued += await collect(home, course.accepted - course.queued);
    await until("resets are noticed", () => server.descriptors <= (course.readings[0]?.descriptors ?? 1e9));
    const { memory, descriptors } = server;
    course.readings.push({ connections: number + 1, memory, descriptors, children: server.children() });
  }
  course.queued += await collect(home, course.accepted - course.queued);
  return { ...course, seconds: (Date.now() - start) / 1000, log: server.log };
}

/** Counts what is queued, and throws it away. */
async function collect(home: ServerHome, expected: number): Promise<number> {
  const queued = home.queued().length;
  if (queued !== expected) throw new Error(`${queued} messages queued, ${expected} accepted`);
  home.empty();
  return queued;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { count: { type: "string", default: "10000" } } });
  const { readings, accepted, queued, wrong, seconds, log } = await connections(Number(values.count));
  for (const { connections, memory, descriptors, children } of readings)
    console.log(
      `${connections} connections: ${memory} kB, ${descriptors} descriptors, ${children.join(", ")}`,
    );
  console.log(`${accepted} messages accepted, ${queued} queued, ${wrong.length} wrong answers`);
  console.log(`${seconds.toFixed(1)} s; log: ${JSON.stringify(log)}`);
  process.exitCode = wrong.length === 0 && accepted === queued ? 0 : 1;
}
