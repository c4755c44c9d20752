/** The original in C, where QMAIL_REFERENCE names an installed tree; its servers run under tcpserver. */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, copyTree, setAccounts, tool } from "../ground.ts";
import { qmailQueue } from "./ours.ts";
import {
  answers,
  deliveries,
  domain,
  type Peer,
  runDirectory,
  type Setup,
  System,
  smtpRoutes,
  Unable,
  until,
} from "./peer.ts";
import { makeHomes, people } from "./postfix.ts";

/** Number of a group that owns nothing. */
const nofiles = 903;

class Reference extends System {
  readonly tree: string;
  readonly sendmail: readonly string[];
  readonly manager = "qmail-send";
  override readonly queueDirectory: string;
  protected readonly queue = qmailQueue("queue");
  readonly #mounted: string[] = [];

  constructor(tree: string, directory: string) {
    super(directory);
    this.tree = tree;
    this.queueDirectory = join(directory, "queue");
    this.sendmail = [join(tree, "bin/sendmail"), "-fbench@test.example"];
  }

  verp(recipients: readonly string[]) {
    const command = [join(this.tree, "bin/qmail-inject"), "-flist-@test.example-@[]", ...recipients];
    return { command, environment: {} };
  }

  maildir(user: string): string {
    return join(this.directory, "users", user, "Maildir");
  }

  prepare(setup: Setup): void {
    const { lists = {}, again = false } = setup;
    const accounts = people(this.directory);
    if (!again) makeHomes(accounts);
    this.#writeDotQmail(join(this.directory, "users/ann"), "default", "./Maildir/\n");
    const groups = { qmail: statSync(join(this.tree, "queue")).gid, nofiles };
    setAccounts([...accounts, ...this.#mailUsers()], groups);
    for (const part of ["queue", "control", "alias"]) {
      const own = join(this.directory, part);
      if (!again) copyTree(join(this.tree, part), own);
      tool("mount", "--bind", own, join(this.tree, part));
      this.#mounted.push(join(this.tree, part));
    }
    const control = (name: string, text: string) => writeFileSync(join(this.tree, "control", name), text);
    for (const name of ["me", "locals", "rcpthosts", "defaultdomain", "plusdomain"])
      control(name, `${domain}\n`);
    control("concurrencylocal", `${deliveries}\n`);
    control("concurrencyremote", `${deliveries}\n`);
    control("smtproutes", smtpRoutes(setup));
    const alias = join(this.tree, "alias");
    this.#writeDotQmail(alias, "trash-default", "#\n");
    for (const [name, addresses] of Object.entries(lists))
      this.#writeDotQmail(alias, name, addresses.map((address) => `&${address}\n`).join(""));
  }

  #writeDotQmail(directory: string, extension: string, text: string): void {
    const file = join(directory, `.qmail-${extension}`);
    writeFileSync(file, text);
    chmodSync(file, 0o644);
    const { uid, gid } = statSync(directory);
    chownSync(file, uid, gid);
  }

  /** The tree's own users, where the machine does not know them: the owners of what is theirs; free numbers for the rest. */
  #mailUsers(): Account[] {
    const owners = { alias: "alias", qmailq: "queue/mess", qmails: "queue/info", qmailr: "queue/lock/tcpto" };
    const group = statSync(join(this.tree, "queue")).gid;
    const owning = Object.entries(owners).map(([name, part]) => {
      const home = name === "alias" ? join(this.tree, "alias") : this.tree;
      return {
        name,
        uid: statSync(join(this.tree, part)).uid,
        gid: name === "alias" ? nofiles : group,
        home,
      };
    });
    const rest = ["qmaild", "qmaill", "qmailp"].map((name, index) => ({
      name,
      uid: nofiles + 1 + index,
      gid: nofiles,
      home: this.tree,
    }));
    return [...owning, ...rest];
  }

  async serve(clients: number): Promise<void> {
    const { uid, gid } = statSync(join(this.tree, "alias"));
    const words = [
      "-HRl0",
      `-c${clients}`,
      "-b1024",
      `-u${uid}`,
      `-g${gid}`,
      "127.0.0.1",
      `${this.smtpPort}`,
    ];
    this.group.spawn(["tcpserver", ...words, join(this.tree, "bin/qmail-smtpd")], {
      environment: { RELAYCLIENT: "" },
      log: join(this.directory, "smtpd.log"),
    });
    await answers(this.smtpPort);
  }

  async deliver(): Promise<void> {
    const log = join(this.directory, "log");
    const environment = { PATH: `${this.tree}/bin:/usr/local/bin:/usr/bin:/bin` };
    this.group.spawn([join(this.tree, "bin/qmail-start"), "./Maildir/"], { log, environment });
    await until(
      "qmail-send says its status",
      () => existsSync(log) && readFileSync(log).includes("status: "),
    );
  }

  override async stop(): Promise<void> {
    await super.stop();
    for (const place of this.#mounted.splice(0).toReversed()) tool("umount", place);
  }
}

export function reference(tree: string | undefined): Peer {
  const unable =
    tree === undefined
      ? "QMAIL_REFERENCE names no installed tree"
      : Bun.which("tcpserver") === null
        ? "tcpserver is not here"
        : existsSync(join(tree, "bin/qmail-send"))
          ? undefined
          : `${tree}/bin/qmail-send is not there`;
  return {
    key: "reference",
    name: "C qmail",
    programs: tree === undefined || unable !== undefined ? undefined : join(tree, "bin"),
    settings:
      unable !== undefined
        ? []
        : [
            "tcpserver -HRl0; log of qmail-send to a file beside the queue; ext4 as it is, so its queue is not crash-proof",
            `concurrencylocal and concurrencyremote ${deliveries}`,
          ],
    async start(setup) {
      if (tree === undefined || unable !== undefined) throw new Unable(unable ?? "");
      const system = new Reference(tree, runDirectory(setup));
      mkdirSync(join(system.directory, "users"), { recursive: true });
      system.prepare(setup);
      if (setup.intakeOnly !== true) await system.deliver();
      await system.serve(setup.clients ?? 200);
      return system;
    },
  };
}
