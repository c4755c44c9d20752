/** `qmail queue` (qmail-queue-tools(1)): looking at the queue, and acting on its messages while qmail-send runs or not. */
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { enterQueue } from "../../core/cli/queue.ts";
import { giveOrder } from "../../core/cli/queue-order.ts";
import { repair, repairOptions } from "../../core/cli/queue-repair.ts";
import { idOf, type Selection, selectionOf, selectionOptions } from "../../core/cli/queue-select.ts";
import { showMessage, showRaw } from "../../core/cli/queue-show.ts";
import { asJson, listed, outcomeText, outcomeWord } from "../../core/cli/queue-words.ts";
import { attempt, refuse } from "../../core/cli/trouble.ts";
import { realDisk } from "../../core/queue/disk.ts";
import type { Outcome, Outcomes, Target, Verb } from "../../core/queue/order-words.ts";
import { type QueuedMessage, queuedMessage, queuedMessages } from "../../core/queue/queued.ts";
import { colours, say } from "./say.ts";

const jsonOption = ["--json", "print a JSON object a line"] as const;

/** Up to so many messages get a line each; of more, only what did not go as asked does. */
const fewMessages = 20;

const standardReason = "Returned by the administrator of this mail system.";

const now = (): number => Math.floor(Date.now() / 1000);

export const queueCommand: CommandRow = {
  usage: "queue",
  summary: "look at the queue, and act on its messages",
  group: "Acting:",
  commands: [
    {
      usage: "list [id...]",
      summary: "print messages and their recipients",
      options: [homeOption, ...selectionOptions, jsonOption],
      examples: ["qmail queue list --to '*@example.net' --older 6h"],
      run: list,
    },
    {
      usage: "show <id>",
      summary: "print a message: its envelope, header and text",
      options: [homeOption, jsonOption, ["--raw", "its bytes as they are, and nothing else"]],
      run: show,
    },
    acting("retry", "try messages now"),
    acting("hold", "try no recipient of messages until they are released"),
    acting("release", "let held messages go on, at once"),
    acting("remove", "remove messages, without telling anybody"),
    acting("bounce", "return messages to their senders: every recipient that is left has failed", [
      ["--text <text>", "why; the sender reads it"],
    ]),
    {
      usage: "repair",
      summary: "put a damaged or copied queue in order, while qmail-send is stopped",
      options: [homeOption, ...repairOptions],
      run: (given) => repair(given, say),
    },
  ],
};

function acting(verb: Verb, summary: string, more: CommandRow["options"] = []): CommandRow {
  const options = [homeOption, ...selectionOptions, ...more, jsonOption];
  const examples = [`qmail queue ${verb} 30 31`, `qmail queue ${verb} --from 'news@*' --older 3d`];
  return { usage: `${verb} [id...]`, summary, options, examples, run: (given) => act(verb, given) };
}

async function list(given: Given): Promise<number> {
  const selection = selectionOf(given);
  const place = await enterQueue(given, ["queue", "list"], "look");
  if ("delegated" in place) return place.delegated;
  const json = given.options.json === true;
  const missing = forEachChosen(selection, (message) => {
    if (json) say(JSON.stringify(asJson(message)));
    else for (const line of listed(message, now(), colours)) say(line);
  });
  return refuseMissing(missing);
}

async function show(given: Given): Promise<number> {
  const id = idOf(given.names[0] ?? "");
  const { raw, json } = given.options;
  if (raw === true && json === true) throw refuse("--raw is the message itself: leave out --json, or --raw");
  const place = await enterQueue(given, ["queue", "show"], "look");
  if ("delegated" in place) return place.delegated;
  const message = attempt(`read message ${id}`, () => queuedMessage(realDisk, id));
  if (message === undefined) return refuseMissing([id]);
  if (raw === true) showRaw(id);
  else await showMessage(message, { say, colours, now: now(), json: json === true });
  return 0;
}

async function act(verb: Verb, given: Given): Promise<number> {
  const selection = selectionOf(given);
  if (selection.empty)
    throw refuse("which messages? give their numbers, or --all, --from, --to, --channel, --older, --state");
  const place = await enterQueue(given, ["queue", verb], "order");
  if ("delegated" in place) return place.delegated;
  const targets: Target[] = [];
  const missing = forEachChosen(selection, ({ id, identity }) => targets.push({ id, identity }));
  const text = `${Buffer.from(textOf(given, "text") ?? standardReason).toString("latin1")}\n`;
  const outcomes = targets.length === 0 ? new Map() : await giveOrder({ verb, text, targets });
  if (targets.length > 0 || missing.length === 0)
    report(verb, targets, outcomes, given.options.json === true);
  return refuseMissing(missing) || codeOf(targets, outcomes, selection.ids.length > 0);
}

/** Calls `use` for each message that was chosen; returns the numbers that no message has. */
function forEachChosen({ ids, matches }: Selection, use: (message: QueuedMessage) => void): bigint[] {
  return attempt("read the queue", () => {
    if (ids.length === 0) {
      for (const message of queuedMessages(realDisk)) if (matches(message, now())) use(message);
      return [];
    }
    return ids.filter((id) => {
      const message = queuedMessage(realDisk, id);
      if (message !== undefined) use(message);
      return message === undefined;
    });
  });
}

function refuseMissing(missing: readonly bigint[]): number {
  if (missing.length === 0) return 0;
  throw refuse(`there is no message ${missing.join(", ")} in the queue`);
}

function report(verb: Verb, targets: readonly Target[], outcomes: Outcomes, json: boolean): void {
  if (targets.length === 0 && !json) say("no message was chosen");
  const counts = new Map<string, number>();
  for (const { id } of targets) {
    const outcome = outcomes.get(id);
    const text = outcomeText(verb, outcome);
    counts.set(text, (counts.get(text) ?? 0) + 1);
    if (json) say(JSON.stringify({ id: id.toString(), outcome: outcomeWord(outcome), text }));
    else if (targets.length <= fewMessages || isTrouble(outcome))
      say(`${colours.strong(String(id))} ${text}`);
  }
  if (json || targets.length <= fewMessages) return;
  for (const [text, count] of counts) say(`${colours.strong(String(count))} messages: ${text}`);
}

const isTrouble = (outcome: Outcome | undefined): boolean =>
  outcome === undefined || typeof outcome === "object";

/** `named`: by their numbers, so that each of them was meant. */
function codeOf(targets: readonly Target[], outcomes: Outcomes, named: boolean): number {
  const found = targets.map(({ id }) => outcomes.get(id));
  if (found.some(isTrouble)) return 111;
  return named && found.some((outcome) => outcome === "gone" || outcome === "over" || outcome === "held")
    ? 100
    : 0;
}
