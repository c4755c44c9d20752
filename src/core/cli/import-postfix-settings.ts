/** The settings of main.cf as control files, and which of them have no counterpart. Texts are byte strings. */
import type { PostfixConfig } from "./import-postfix-config.ts";
import { relayOf, routesOf, rulesOf } from "./import-postfix-network.ts";
import type { PostfixTables } from "./import-postfix-tables.ts";
import type { Notes } from "./import-postfix-targets.ts";

/** Settings that say who gets mail, who may send it or what is done to it, and that have no counterpart here. */
const matters =
  /canonical|_checks$|milter|content_filter|_restrictions$|sasl|_bcc|^virtual_(mailbox|transport|uid|gid)|relay_recipient|^mailbox_(command|transport)|fallback|^forward_path|^home_mailbox|sender_dependent|^masquerade|^local_(recipient|transport)|generic_maps|^address_verify|^default_transport|^relay_transport|^recipient_delimiter$|^owner_request|^mail_spool_directory/;

/** Settings about the machine that Postfix runs on, its speed or its words, which nobody misses. */
const harmless =
  /_directory$|^compatibility_level$|^biff$|^(smtpd?|lmtp)_tls_|^inet_|^mailbox_size_limit$|_database$|^setgid_group$|^mail_owner$|_path$|^append_dot_mydomain$|^smtpd_banner$|^debug|^unknown_local|^alias_database$|_style$|^default_privs$|^html|^manpage|^sample|^swap_bangpath$/;

/** Settings that are read here. */
const translated: ReadonlySet<string> = new Set(
  (
    "myhostname mydomain myorigin mydestination mynetworks relayhost relay_domains alias_maps virtual_alias_maps " +
    "virtual_alias_domains virtual_maps transport_maps message_size_limit luser_relay config_directory"
  ).split(" "),
);

/** What the control files are made from. */
export interface Settings {
  config: PostfixConfig;
  tables: PostfixTables;
  notes: Notes;
  /** control/me of the home. */
  host: string;
  origin: string;
  /** Domains whose mail is local. */
  locals: readonly string[];
  /** Domains of virtual addresses. */
  virtual: readonly string[];
}

/** The names of control files, and their lines. */
export function* controlFilesOf(
  settings: Settings,
): Generator<readonly [name: string, lines: readonly string[]]> {
  const { config, tables, host, origin, locals, virtual, notes } = settings;
  if (config.has("myhostname")) yield ["me", [config.value("myhostname").toLowerCase()]];
  const relayed = tables.domains("relay_domains").flatMap((domain) => [domain, `.${domain}`]);
  yield ["locals", [...locals, host]];
  yield ["rcpthosts", [...locals, host, ...virtual, ...relayed]];
  if (config.has("mydomain")) yield ["defaultdomain", [config.value("mydomain").toLowerCase()]];
  if (origin !== host) for (const name of ["defaulthost", "envnoathost"]) yield [name, [origin]];
  const limit = config.value("message_size_limit");
  if (/^\d+$/.test(limit)) yield ["databytes", [limit]];
  else if (limit !== "") notes.missing(`message_size_limit = ${limit}`);
  const routes = smtpRoutes(settings);
  if (routes.length > 0) yield ["smtproutes", routes];
  yield ["tcp.smtp", relayRules(settings)];
}

function smtpRoutes({ config, tables, notes }: Settings): string[] {
  const routes = routesOf(tables.entries("transport_maps"), notes);
  const relayhost = config.value("relayhost");
  const relay = relayhost === "" ? undefined : relayOf(relayhost, notes);
  if (relayhost !== "" && relay === undefined) notes.missing(`relayhost = ${relayhost}`);
  const isDecided = relay === undefined || routes.some((route) => route.startsWith(":"));
  return isDecided ? routes : [...routes, `:${relay}`];
}

function relayRules({ config, notes }: Settings): string[] {
  const isSet = config.has("mynetworks");
  if (!isSet) notes.remark("mynetworks is not set: only this machine may relay");
  return rulesOf(isSet ? config.list("mynetworks") : ["127.0.0.0/8", "[::1]/128"], notes);
}

/** Names the settings that are not translated. */
export function nameOthers({ config, notes }: Settings): void {
  const others = config.names.filter((name) => !translated.has(name));
  for (const name of others)
    if (matters.test(name) && asksForMore(name, config.value(name)))
      notes.missing(`${name} = ${config.value(name)}`);
  const rest = others.filter((name) => !matters.test(name) && !harmless.test(name));
  if (rest.length > 0) notes.remark(`settings that were not looked at: ${rest.join(" ")}`);
}

/** Whether a setting asks for something that is not so here anyway. */
function asksForMore(name: string, value: string): boolean {
  if (name === "recipient_delimiter") return value !== "" && value !== "-";
  if (name === "home_mailbox") return value !== "Maildir/";
  if (name === "smtpd_relay_restrictions" || name === "smtpd_recipient_restrictions")
    return value.split(/[\s,]+/).some((word) => !usual.has(word));
  return value !== "" && value !== "no";
}

/** What qmail-smtpd does by rcpthosts and RELAYCLIENT. */
const usual: ReadonlySet<string> = new Set([
  "permit_mynetworks",
  "permit_sasl_authenticated",
  "defer_unauth_destination",
  "reject_unauth_destination",
  "permit_auth_destination",
  "",
]);
