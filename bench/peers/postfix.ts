/** Postfix from Debian's package: unpacked, not installed, laid over /usr and /etc of our namespace. */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, overlay, root, setAccounts, tool } from "../ground.ts";
import {
  answers,
  deliveries,
  domain,
  type Peer,
  runDirectory,
  type Setup,
  System,
  Unable,
  users,
} from "./peer.ts";

/** Where Postfix is unpacked, and where its libraries are. */
export interface Unpacked {
  place: string;
  libraries: string;
}

/** Fetches Postfix if it is not there; undefined where that is impossible. */
export function unpackedPostfix(): Unpacked | undefined {
  const found = Bun.spawnSync(["sh", join(root, "test/interop/postfix.sh"), "fetch"]);
  const [place = "", libraries = ""] = found.stdout.toString().split("\n");
  return found.exitCode === 0 ? { place, libraries } : undefined;
}

const number = { postfix: 901, postdrop: 902, users: 3001 };
const configuration = "/etc/postfix";

/** Accounts with mailboxes, whose homes lie in the directory of the run. */
export const people = (directory: string): Account[] =>
  users.map((name, index) => {
    const id = number.users + index;
    return { name, uid: id, gid: id, home: join(directory, "users", name) };
  });

/** Makes the homes of people, each with an empty Maildir. */
export function makeHomes(accounts: readonly Account[]): void {
  for (const { home, uid, gid } of accounts) {
    for (const part of ["", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"]) {
      mkdirSync(join(home, part), { recursive: true, mode: 0o755 });
      chownSync(join(home, part), uid, gid);
    }
  }
}

/** What an operator sets who wants throughput, and what makes it comparable; the rest is Debian's default. */
const tuning: Readonly<Record<string, string>> = {
  default_process_limit: "200",
  initial_destination_concurrency: `${deliveries}`,
  default_destination_concurrency_limit: `${deliveries}`,
  local_destination_concurrency_limit: `${deliveries}`,
  local_destination_recipient_limit: "1",
  in_flow_delay: "0",
  local_recipient_maps: "",
  smtpd_peername_lookup: "no",
  smtp_dns_support_level: "disabled",
  smtpd_client_connection_count_limit: "0",
  message_size_limit: "20000000",
};

class Postfix extends System {
  readonly sendmail = ["/usr/sbin/sendmail", "-f", "bench@test.example"];
  readonly manager = "qmgr";
  protected readonly queue = {
    directories: ["maildrop", "incoming", "active", "deferred"].map((name) => `spool/${name}`),
    log: "maillog",
    success: " status=sent ",
  };

  verp(recipients: readonly string[]) {
    return {
      command: ["/usr/sbin/sendmail", "-XV", "-f", "list@test.example", ...recipients],
      environment: {},
    };
  }

  maildir(user: string): string {
    return join(this.directory, "users", user, "Maildir");
  }

  prepare({ relay, routes = {}, clients = 0, lists = {}, intakeOnly = false, again = false }: Setup): void {
    const spool = join(this.directory, "spool");
    const data = join(this.directory, "data");
    const accounts = people(this.directory);
    if (!again) {
      for (const directory of [spool, data]) mkdirSync(directory);
      chownSync(data, number.postfix, number.postfix);
      makeHomes(accounts);
    }
    setAccounts([...accounts, { name: "postfix", uid: number.postfix, gid: number.postfix, home: spool }], {
      postfix: number.postfix,
      postdrop: number.postdrop,
    });
    const settings: Record<string, string> = {
      ...standing(),
      ...tuning,
      queue_directory: spool,
      data_directory: data,
      myhostname: domain,
      mydestination: domain,
      inet_interfaces: "127.0.0.1",
      inet_protocols: "ipv4",
      mynetworks: "127.0.0.0/8",
      home_mailbox: "Maildir/",
      recipient_delimiter: "-",
      alias_maps: `hash:${configuration}/aliases`,
      virtual_alias_maps: `texthash:${configuration}/virtual`,
      transport_maps: `texthash:${configuration}/transport`,
      virtual_alias_expansion_limit: "20000",
      maillog_file: join(this.directory, "maillog"),
      maillog_file_prefixes: "/mnt",
      relayhost: relay === undefined ? "" : `[127.0.0.1]:${relay}`,
      ...(clients > 200 ? { default_process_limit: `${clients + 100}` } : {}),
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(join(configuration, "main.cf"), lines.join(""));
    const transports = Object.entries(routes).map(([host, to]) => `${host} smtp:[${to}]:${relay}\n`);
    writeFileSync(join(configuration, "transport"), transports.join(""));
    this.#services(intakeOnly);
    this.#aliases(lists);
  }

  /** master.cf as it is delivered, without chroot, on our port; without the queue manager for intakeOnly. */
  #services(intakeOnly: boolean): void {
    const standard = readFileSync("/usr/share/postfix/master.cf.dist", "utf8");
    const services = standard
      .split("\n")
      .map((line) => line.replace(/^(\S+ +(?:inet|unix|unix-dgram|fifo) +\S+ +\S+ +)y /, "$1n "))
      .map((line) => line.replace(/^smtp( +inet)/, `127.0.0.1:${this.smtpPort}$1`))
      .filter((line) => !intakeOnly || !/^qmgr /.test(line));
    writeFileSync(join(configuration, "master.cf"), services.join("\n"));
  }

  /** Lists are virtual aliases: those of local(8) would deliver once where many addresses lead to one mailbox. */
  #aliases(lists: Readonly<Record<string, readonly string[]>>): void {
    const lines = Object.entries(lists).map(
      ([name, addresses]) => `${name}@${domain} ${addresses.join(" ")}\n`,
    );
    writeFileSync(join(configuration, "virtual"), lines.join(""));
    writeFileSync(join(configuration, "aliases"), "trash: /dev/null\n");
    tool("/usr/sbin/postalias", `hash:${configuration}/aliases`);
  }

  run(): void {
    this.group.spawn(["/usr/sbin/postfix", "start-fg"], { log: join(this.directory, "log") });
  }

  async deliver(): Promise<void> {
    this.#services(false);
    tool("/usr/sbin/postfix", "reload");
  }
}

/** Debian's main.cf, without what we set. */
function standing(): Record<string, string> {
  const text = readFileSync("/usr/share/postfix/main.cf.debian", "utf8");
  const lines = text.split("\n").map((line) => /^(\w+) = (.*)$/.exec(line) ?? []);
  return Object.fromEntries(
    lines.filter(([all]) => all !== undefined).map(([, name, value]) => [name, value]),
  );
}

/** Lays Postfix over the system. To be called once, inside the namespaces. */
export function postfix(unpacked: Unpacked | undefined): Peer {
  const version =
    unpacked === undefined
      ? "not here: neither unpacked nor to be had by apt-get"
      : (/^mail_version = (.*)$/m.exec(
          Bun.spawnSync([join(unpacked.place, "usr/sbin/postconf"), "-d", "mail_version"], {
            env: { LD_LIBRARY_PATH: unpacked.libraries },
          }).stdout.toString(),
        )?.[1] ?? "of unknown version");
  return {
    key: "postfix",
    name: `Postfix ${version}`,
    programs: undefined,
    settings: [
      "Debian's defaults; no chroot; postlogd logs to a file beside the queue; Maildirs of 22 system users",
      Object.entries(tuning)
        .map(([name, value]) => `${name}=${value}`)
        .join(", "),
    ],
    async start(setup) {
      if (unpacked === undefined) throw new Unable("Postfix is not here, and apt-get does not bring it");
      const system = new Postfix(runDirectory(setup));
      system.prepare(setup);
      system.run();
      await answers(system.smtpPort);
      // What was deferred has to wait for its time, unless the operator asks for it.
      if (setup.again === true) tool("/usr/sbin/postqueue", "-f");
      return system;
    },
  };
}

/** Makes /usr and /etc ours, with Postfix in them if it is here. */
export function layOver(unpacked: Unpacked | undefined): void {
  for (const directory of ["usr", "etc"])
    overlay(`/${directory}`, unpacked === undefined ? [] : [join(unpacked.place, directory)]);
  if (!existsSync(configuration)) mkdirSync(configuration);
  if (unpacked !== undefined) {
    for (const program of ["postdrop", "postqueue"]) {
      chownSync(`/usr/sbin/${program}`, 0, number.postdrop);
      chmodSync(`/usr/sbin/${program}`, 0o2755);
    }
    for (const file of ["dynamicmaps.cf", "master.cf.dist"])
      writeFileSync(
        join(configuration, file.replace(".dist", ".cf.dist")),
        readFileSync(`/usr/share/postfix/${file}`),
      );
  }
}
