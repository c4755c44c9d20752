/**
 * Runs the commands of a guide as printed, as root and as the user ann, on a machine of its own. Run by guides.test.ts
 * inside namespaces; prints what came of each command, and what mail there is, as JSON.
 *
 *   unshare --mount ... bun test/scenarios/guides.ts WORK-DIRECTORY PAGE
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isSystemError } from "../../src/core/exit.ts";
import { commandsOf, type Done, Shell, sleep, systemctl } from "../helpers/guide.ts";
import { programs, until } from "../helpers/home.ts";
import { mountEmpty } from "../helpers/namespace.ts";
import { pristineSystem } from "../helpers/overlay.ts";
import { patience } from "../helpers/patience.ts";
import { SmtpHost } from "../helpers/smtp-host.ts";

const people: Readonly<Record<string, number>> = { ann: 1009, joe: 1008 };

/** What a guide led to. */
export interface Followed {
  done: Done[];
  /** Messages in the Maildirs of ann and joe, by name. */
  mail: Record<string, string[]>;
  /** Bytes that the host at 127.0.0.1:25 got, where the guide has one. */
  relayed: number;
}

/** Stands in for tools that are not what a guide is about: npm has built already, and nothing runs as process 1. */
const tools: Readonly<Record<string, string>> = {
  npm: "exit 0",
  postqueue: "exit 0",
  sleep,
  systemctl,
};

function furnish(work: string): void {
  for (const [name, uid] of Object.entries(people)) {
    mkdirSync(join(work, name));
    chownSync(join(work, name), uid, uid);
  }
  mkdirSync(join(work, "tools"));
  for (const [name, text] of Object.entries(tools)) {
    writeFileSync(join(work, "tools", name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(work, "tools", name), 0o755);
  }
  mkdirSync(join(work, "source"));
  const copied = Bun.spawnSync(["cp", "-a", dirname(programs), join(work, "source/dist")]);
  if (copied.exitCode !== 0) throw new Error("unable to copy the built programs");
}

function texts(directory: string): string[] {
  return existsSync(directory)
    ? readdirSync(directory).map((file) => readFileSync(join(directory, file), "latin1"))
    : [];
}

/** What there has to be before a guide begins, beside an installation. */
const preparations: Readonly<Record<string, string>> = {
  "guide-replace-qmail.7": `
    echo Before. | USER=ann setpriv --reuid 1009 --regid 1009 --clear-groups /var/qmail/bin/mailsubj before ann
    cp /var/qmail/bin/qmail-ts /var/qmail/bin/other
    for name in /var/qmail/bin/*; do
      case $name in */other|*/qmail-ts|*/qmail-queue) ;; *) ln -f /var/qmail/bin/other $name;; esac
    done
    rm /var/qmail/bin/qmail-ts`,
};

const needsInstallation = ["replace-qmail", "virtual-domains", "smarthost", "dot-qmail"].map(
  (name) => `guide-${name}.7`,
);

/** Whether qmail-send reads the FIFO by which it is told of new messages. */
function isListening(): boolean {
  try {
    closeSync(openSync("/var/qmail/queue/lock/trigger", constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (failure) {
    if (!isSystemError(failure, "ENXIO")) throw failure;
    return false;
  }
}

/** Whether a home, if there is one, has no message on its way. A guide's pauses are meant for a machine that is not busy. */
function isIdle(home: string): boolean {
  const queue = join(home, "queue");
  return (
    !existsSync(queue) ||
    ["todo", "mess"].every((part) =>
      readdirSync(join(queue, part), { recursive: true, withFileTypes: true }).every(
        (entry) => !entry.isFile(),
      ),
    )
  );
}

async function follow(work: string, page: string): Promise<Followed> {
  mountEmpty(work);
  pristineSystem(
    work,
    Object.entries(people).map(([name, uid]) => `${name}:x:${uid}:${uid}::${work}/${name}:/bin/sh`),
  );
  furnish(work);
  const path = `${work}/tools:/usr/sbin:/usr/bin:/sbin:/bin`;
  const source = join(work, "source");
  const root = new Shell({ PATH: path, HOME: "/root", USER: "root" }, source, 0);
  const ann = new Shell({ PATH: path, HOME: `${work}/ann`, USER: "ann" }, source, people.ann ?? 0);
  const prepare = async (command: string): Promise<void> => {
    const { code, output } = await root.run(command);
    if (code !== 0) throw new Error(`${command}: ${output}`);
  };
  if (needsInstallation.includes(page)) {
    await prepare("dist/bin/qmail setup --host mail.example.org --systemd");
    for (const [name, uid] of Object.entries(people)) {
      const box = `${work}/${name}/Maildir`;
      await prepare(`/var/qmail/bin/maildirmake ${box} && chown -R ${uid}:${uid} ${box}`);
    }
    await prepare(preparations[page] ?? "systemctl start qmail-send");
    // A signal that comes before it has got so far would end it.
    if (preparations[page] === undefined) await until(patience, isListening);
  }
  const relay = page === "guide-smarthost.7" ? await SmtpHost.start() : undefined;
  const homes = ["/var/qmail", "/srv/mail/qmail", join(work, "ann/mail")];
  const done: Done[] = [];
  for (const { root: asRoot, text } of commandsOf(page)) {
    const command = relay === undefined ? text : text.replace("relay.example.net", `127.0.0.1:${relay.port}`);
    done.push(await (asRoot ? root : ann).run(command));
    if (text.startsWith("sleep ")) await until(patience, () => homes.every(isIdle));
  }
  await until(patience, () => homes.every(isIdle));
  const mail = { ann: texts(`${work}/ann/Maildir/new`), joe: texts(`${work}/joe/Maildir/new`) };
  return { done, mail, relayed: relay?.size ?? 0 };
}

if (import.meta.main) {
  const [work = "", page = ""] = process.argv.slice(2);
  console.log(JSON.stringify(await follow(work, page)));
  process.exit(0);
}
