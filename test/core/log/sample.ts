/** A log as a busy host might have it: the same for the same seed, with retries, bounces, slow hosts and restarts. */

export interface SampleLine {
  time: number;
  text: string;
}

const people = "ann joe sue bob eve max kim lee pat sam uma vic wes zoe".split(" ");
const domains = "example.org example.net mail.test.example lists.example shop.example uni.example".split(" ");
const busy = "bigmail.example hotbox.example postal.example".split(" ");

const deferrals = [
  "Connected_to_192.0.2.7_but_greeting_failed./Remote_host_said:_421_4.7.0_Too_many_connections/",
  "Sorry,_I_wasn't_able_to_establish_an_SMTP_connection._(#4.4.1)/",
  "198.51.100.4_does_not_like_recipient./Remote_host_said:_450_4.2.0_<ADDR>:_Recipient_address_rejected:_Greylisted,_see_http://grey.example/help/ID/Giving_up_on_198.51.100.4./",
  "CNAME_lookup_failed_temporarily._(#4.4.3)/",
];
const failures = [
  "203.0.113.9_does_not_like_recipient./Remote_host_said:_550_5.1.1_<ADDR>:_User_unknown_in_virtual_mailbox_table/Giving_up_on_203.0.113.9./",
  "Sorry,_I_couldn't_find_any_host_named_DOM._(#5.1.2)/",
  "192.0.2.44_failed_after_I_sent_the_message./Remote_host_said:_554_5.7.1_Message_rejected_as_spam_(ID)/",
  "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/",
];

/** Numbers from 0 to 1. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Due {
  at: number;
  id: string;
  born: number;
  from: string;
  to: string;
  tries: number;
}

/** `messages` messages, one every `every` seconds on average, more of them by day. */
export function sampleLog(
  messages: number,
  { seed = 1, start = 1_795_900_000, every = 4 } = {},
): SampleLine[] {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * random() * list.length)] as T;
  const lines: SampleLine[] = [];
  const due: Due[] = [];
  let delivery = 0;
  let qp = 4000;
  const open = new Map<string, number>();

  const arrive = (at: number, from: string, to: string[]): void => {
    const id = String(100_000 + Math.floor(random() * 900_000));
    const bytes = Math.round(400 + 2 ** (random() * 16));
    lines.push({ time: at, text: `new msg ${id}` });
    lines.push({
      time: at + 0.0002,
      text: `info msg ${id}: bytes ${bytes} from <${from}> qp ${++qp} uid ${random() < 0.8 ? 107 : 1000}`,
    });
    open.set(id, to.length);
    for (const each of to)
      due.push({ at: at + 0.001 + random() * 0.05, id, born: at, from, to: each, tries: 0 });
  };

  const attempt = ({ at, id, born, from, to, tries }: Due): void => {
    const number = ++delivery;
    const local = to.endsWith("@example.org");
    const slow = local ? 0.02 : 0.3 + 30 * random() ** 6;
    const end = at + slow * (0.5 + random());
    lines.push({
      time: at,
      text: `starting delivery ${number}: msg ${id} to ${local ? "local" : "remote"} ${to}`,
    });
    const say = (text: string): void => {
      lines.push({ time: end, text: `delivery ${number}: ${text}` });
    };
    const host = to.slice(to.indexOf("@") + 1);
    const fill = (text: string): string =>
      text
        .replace("ADDR", to)
        .replace("DOM", host)
        .replace("ID", `q${Math.floor(random() * 1e9).toString(36)}7x`);
    const fate = random();
    const troubled = busy.includes(host);
    if (!local && fate < (troubled ? 0.35 : 0.06) && tries < 8) {
      say(`deferral: ${fill(pick(deferrals))}`);
      due.push({ at: end + 400 * (tries + 1) ** 2, id, born, from, to, tries: tries + 1 });
      return;
    }
    if (fate > 0.97) {
      say(`failure: ${fill(local ? (failures[3] ?? "") : pick(failures))}`);
      if (from !== "") {
        lines.push({ time: end + 0.01, text: `bounce msg ${id} qp ${qp + 1}` });
        arrive(end + 0.02, "", [from]);
      }
    } else
      say(
        local
          ? "success: did_1+0+0/"
          : "success: 192.0.2.7_accepted_message./Remote_host_said:_250_2.0.0_Ok:_queued_as_8F3B21/",
      );
    const left = (open.get(id) ?? 1) - 1;
    open.set(id, left);
    if (left === 0) lines.push({ time: end + 0.001, text: `end msg ${id}` });
  };

  let clock = start;
  for (let count = 0; count < messages; count++) {
    const hour = ((clock / 3600) % 24) - 13;
    clock += (every * 2 * random()) / (0.25 + Math.exp((-hour * hour) / 30));
    const address = (): string => `${pick(people)}@${pick(random() < 0.3 ? busy : domains)}`;
    arrive(clock, address(), Array.from({ length: 1 + Math.floor(3 * random() ** 4) }, address));
    due.sort((a, b) => b.at - a.at);
    for (let next = due.at(-1); next !== undefined && next.at <= clock; next = due.at(-1)) {
      due.pop();
      attempt(next);
      due.sort((a, b) => b.at - a.at);
    }
  }
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    attempt(next);
    due.sort((a, b) => b.at - a.at);
  }
  return lines.sort((a, b) => a.time - b.time);
}

/** As multilog writes the time. */
export function tai64n(time: number): string {
  const whole = Math.floor(time);
  const seconds = (2n ** 62n + 10n + BigInt(whole)).toString(16).padStart(16, "0");
  return `@${seconds}${Math.round((time - whole) * 1e9)
    .toString(16)
    .padStart(8, "0")}`;
}
