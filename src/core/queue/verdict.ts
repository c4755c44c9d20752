/** What the exit codes of qmail-queue(8) mean to whoever wanted to queue a message. */

/** What qmail-queue said: accepted, or a text whose first letter is D (permanent) or Z (temporary). */
export type Verdict = { accepted: true; pid: number } | { accepted: false; report: string; pid: number };

const customText = 82;
const reports: Readonly<Record<number, string>> = {
  0: "Zqq read error (#4.3.0)",
  11: "Denvelope address too long for qq (#5.1.3)",
  31: "Dmail server permanently rejected message (#5.3.0)",
  51: "Zqq out of memory (#4.3.0)",
  52: "Zqq timeout (#4.3.0)",
  53: "Zqq write error or disk full (#4.3.0)",
  54: "Zqq read error (#4.3.0)",
  55: "Zqq unable to read configuration (#4.3.0)",
  56: "Zqq trouble making network connection (#4.3.0)",
  61: "Zqq trouble in home directory (#4.3.0)",
  62: "Zqq trouble creating files in queue (#4.3.0)",
  63: "Zqq trouble creating files in queue (#4.3.0)",
  64: "Zqq trouble creating files in queue (#4.3.0)",
  65: "Zqq trouble creating files in queue (#4.3.0)",
  66: "Zqq trouble creating files in queue (#4.3.0)",
  71: "Zmail server temporarily rejected message (#4.3.0)",
  72: "Zconnection to mail server timed out (#4.4.1)",
  73: "Zconnection to mail server rejected (#4.4.1)",
  74: "Zcommunication with mail server failed (#4.4.2)",
  81: "Zqq internal bug (#4.3.0)",
  91: "Zqq internal bug (#4.3.0)",
  115: "Denvelope address too long for qq (#5.1.3)",
  120: "Zunable to exec qq (#4.3.0)",
};

/** The text for an exit code; `text` is what the program wrote to its descriptor 6, which counts for code 82. */
export function reportOf(code: number, text: Buffer = Buffer.alloc(0)): string {
  if (code === customText && text.length > 2) return text.toString("latin1");
  const known = reports[code];
  if (known !== undefined) return known;
  const permanent = code >= 11 && code <= 40;
  return permanent ? "Dqq permanent problem (#5.3.0)" : "Zqq temporary problem (#4.3.0)";
}
