/** What a soak has shown, in words and as curves. */
import type { Point, Result } from "./soak.ts";
import type { Picture } from "./soak-picture.ts";

/** What may be measured to grow between the two halves of the time without kills, as a factor. */
const tolerance = 1.25;

/** Small numbers jump: so much more is no growth. */
const slack = { memory: 16_384, descriptors: 40, queued: 200 } as const;

const what = {
  memory: "memory (kB)",
  descriptors: "open descriptors",
  queued: "files in the queue",
} as const;

interface Half {
  name: string;
  first: number;
  second: number;
}

/** The medians of both halves of the last third, where nothing was killed. */
function halves(points: readonly Point[], seconds: number): Half[] {
  const quiet = points.filter(({ time }) => time > seconds * 0.7);
  const middle = Math.floor(quiet.length / 2);
  return (Object.keys(what) as (keyof typeof what)[]).map((key) => ({
    name: key,
    first: median(quiet.slice(0, middle).map((point) => point[key])),
    second: median(quiet.slice(middle).map((point) => point[key])),
  }));
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export interface Report {
  text: string;
  picture: Picture;
  /** What must not be. */
  troubles: string[];
}

export function report(result: Result, machine: string, now: Date): Report {
  const { plan, points, books, kills } = result;
  const lines = books.lines();
  const flat = halves(points, plan.seconds);
  const grown = flat.filter(
    ({ name, first, second }) => second > first * tolerance + slack[name as keyof typeof slack],
  );
  const troubles = [
    ...books.complaints(20),
    ...result.left.map((path) => `left in the queue: ${path}`),
    ...grown.map(
      ({ name, first, second }) => `${what[name as keyof typeof what]} grew from ${first} to ${second}`,
    ),
    ...(books.promised > 0 ? [] : ["no message was taken"]),
    ...(result.sessions.ended > 0 ? [] : ["no POP3 session came to its end"]),
  ];
  const minutes = Math.round((plan.seconds / 60) * 10) / 10;
  const title = `${minutes} minutes of mixed mail, ${result.rate} messages a second, ${kills.length} kills`;
  const doubled = lines.reduce((sum, line) => sum + line.doubled, 0);
  const lost = lines.reduce((sum, line) => sum + line.lost, 0);
  const kept = lines.reduce((sum, line) => sum + line.kept, 0);
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  const text = [
    "# Soak",
    "",
    "![Rate, memory, descriptors and the queue over time](soak.svg)",
    "",
    `Made by \`npm run soak -- --minutes ${minutes} --seed ${plan.seed} --kill-every ${plan.killEvery}\` on ${now.toISOString().slice(0, 10)}, ${machine}.`,
    "",
    ...(result.capacity === undefined
      ? [`Sent were ${result.rate} messages a second.`]
      : [
          `The machine, which also runs the clients, took in and delivered ${Math.round(result.capacity)} messages a`,
          `second; sent were ${result.rate}.`,
        ]),
    "They came by SMTP, QMTP, QMQP, sendmail and qmail-inject, and went to Maildirs, forwards, a list, mailboxes that do not",
    "exist, and another host that takes, defers and refuses. One mailbox was read by POP3.",
    `In the first two thirds of the time a process chosen at random was killed every ${plan.killEvery} seconds or so, and started again.`,
    "",
    `**Taken ${books.promised}, come to wherever they had to ${kept}, lost ${lost}, torn ${books.torn.length}.**`,
    `Copies more than one, each of a message that a kill met on its way: ${doubled}.`,
    `Refused for now ${books.refused}; gone with the connection before an answer ${books.open}.`,
    `Left in the queue at the end ${result.left.length}; remains that are swept after 36 hours ${result.swept}.`,
    `POP3 sessions ${result.sessions.ended}, cut off by a kill ${result.sessions.broken}.`,
    "",
    row(["way", "taken", "come", "lost", "copies by kills", "wrong"]),
    row(["---", "---:", "---:", "---:", "---:", "---:"]),
    ...lines.map(({ way, promised, kept, lost, doubled, wrong }) =>
      row([way, promised, kept, lost, doubled, wrong]),
    ),
    "",
    row(["after the last kill", "first half, median", "second half, median"]),
    row(["---", "---:", "---:"]),
    ...flat.map(({ name, first, second }) => row([what[name as keyof typeof what], first, second])),
    "",
    row(["killed", "times"]),
    row(["---", "---:"]),
    ...Object.entries(result.killed)
      .sort(([one], [other]) => one.localeCompare(other))
      .map(([name, times]) => row([name, times])),
    "",
  ].join("\n");
  const curve = (name: string, value: (point: Point) => number) => ({ name, values: points.map(value) });
  const picture: Picture = {
    title,
    times: points.map(({ time }) => time),
    kills,
    panels: [
      {
        title: "Messages a second",
        unit: "",
        curves: [
          curve("taken", ({ taken }) => taken),
          curve("copies delivered", ({ delivered }) => delivered),
        ],
      },
      {
        title: "Memory of all daemons and servers",
        unit: " MB",
        curves: [curve("memory", ({ memory }) => memory / 1024)],
      },
      { title: "Open descriptors", unit: "", curves: [curve("descriptors", (point) => point.descriptors)] },
      { title: "Files in the queue", unit: "", curves: [curve("files", ({ queued }) => queued)] },
    ],
  };
  return { text, picture, troubles };
}
