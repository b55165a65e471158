// Every setting by name, as data: `weir config`, `weir serve --help` and docs/reference/settings.md are made from this
// list. What the values mean, and which mixes are refused, stands in config.ts.

export interface Setting {
  readonly name: string
  /** What a value looks like, for people. */
  readonly form: string
  /** Value when the name is absent from the environment; null when there is none. */
  readonly default: string | null
  /** What holds when the name is absent and there is no default value. */
  readonly absent: string | null
  /** How `weir config` shows a value: whole, not at all, or a URL without its password. */
  readonly shown: "whole" | "masked" | "without-password"
  /** One line. */
  readonly doc: string
}

export const settings = [
  {
    name: "WEIR_HOST",
    form: "IP address or host name",
    default: "127.0.0.1",
    absent: null,
    shown: "whole",
    doc: "Address to listen on. Anything but loopback needs TLS here or in front (WEIR_TLS_CERT, WEIR_TRUST_PROXY).",
  },
  {
    name: "WEIR_PORT",
    form: "0 to 65535",
    default: "3030",
    absent: null,
    shown: "whole",
    doc: "Port for HTTP and WebSockets. 0 takes any free port and logs it.",
  },
  {
    name: "WEIR_DATA_DIR",
    form: "path",
    default: "./data",
    absent: null,
    shown: "whole",
    doc: "Folder of the embedded database and of the master key when it is made here. Created when missing.",
  },
  {
    name: "WEIR_DATABASE_URL",
    form: "postgres://user:password@host:port/database",
    default: null,
    absent: "SQLite: weir.db in WEIR_DATA_DIR",
    shown: "without-password",
    doc: "PostgreSQL 15 or later instead of the embedded SQLite.",
  },
  {
    name: "WEIR_REDIS_URL",
    form: "redis://host:port or rediss://host:port",
    default: null,
    absent: "one process, local bus",
    shown: "without-password",
    doc: "Redis or Valkey that carries events between several nodes. Needs WEIR_DATABASE_URL.",
  },
  {
    name: "WEIR_MASTER_KEY",
    form: "keys of 32 bytes, each 64 hexadecimal digits or 43 characters of base64url, separated by commas",
    default: null,
    absent: "made once: master.key in WEIR_DATA_DIR",
    shown: "masked",
    doc: "Key that seals secrets in the database; further ones open only. The same for every node (guide/master-key.md).",
  },
  {
    name: "WEIR_API_KEY",
    form: "12 characters of a-z0-9",
    default: null,
    absent: "generated at the first start and printed once",
    shown: "whole",
    doc: "API key of the first app. Public: clients send it with every request. Goes together with WEIR_API_SECRET.",
  },
  {
    name: "WEIR_API_SECRET",
    form: "64 characters of a-z0-9 (at least 32)",
    default: null,
    absent: "generated at the first start and printed once",
    shown: "masked",
    doc: "API secret of the first app. It signs user tokens and never leaves your servers.",
  },
  {
    name: "WEIR_ADMIN_TOKEN",
    form: "at least 32 characters of A-Z a-z 0-9 - . _ ~ + / =",
    default: null,
    absent: "operators log in, scripts cannot",
    shown: "masked",
    doc: "Bearer token for the management API, for scripts. It acts as an owner.",
  },
  {
    name: "WEIR_PUBLIC_URL",
    form: "https://host or http://localhost:port",
    default: null,
    absent: "passkeys work at localhost, and there is no single sign-on",
    shown: "whole",
    doc: "Where operators reach this deployment. Passkeys belong to its host name; invites and single sign-on lead there.",
  },
  {
    name: "WEIR_OIDC_ISSUER",
    form: "https://host/path",
    default: null,
    absent: "no single sign-on",
    shown: "whole",
    doc: "OpenID Connect provider that operators may log in with. It lets in operators and those who were invited.",
  },
  {
    name: "WEIR_OIDC_CLIENT_ID",
    form: "text",
    default: null,
    absent: "no single sign-on",
    shown: "whole",
    doc: "Client that the provider knows this deployment as. Redirect URI: WEIR_PUBLIC_URL/dashboard/api/auth/callback/sso.",
  },
  {
    name: "WEIR_OIDC_CLIENT_SECRET",
    form: "text",
    default: null,
    absent: "no single sign-on",
    shown: "masked",
    doc: "Secret of that client.",
  },
  {
    name: "WEIR_OIDC_NAME",
    form: "text",
    default: null,
    absent: "host name of WEIR_OIDC_ISSUER",
    shown: "whole",
    doc: "What the login page calls the provider.",
  },
  {
    name: "WEIR_TLS_CERT",
    form: "path",
    default: null,
    absent: "plain HTTP",
    shown: "whole",
    doc: "PEM file of the certificate, the server's own first, then the chain. Read again when it changes.",
  },
  {
    name: "WEIR_TLS_KEY",
    form: "path",
    default: null,
    absent: "plain HTTP",
    shown: "whole",
    doc: "PEM file of the certificate's private key. Read again when it changes.",
  },
  {
    name: "WEIR_TRUST_PROXY",
    form: "true, or addresses and networks such as 10.0.0.0/8, separated by commas",
    default: null,
    absent: "no proxy is trusted",
    shown: "whole",
    doc: "Proxies whose X-Forwarded-For and X-Forwarded-Proto count. true: whoever connects; only where nobody else can.",
  },
  {
    name: "WEIR_RATE_LIMITS",
    form: "on or off",
    default: "on",
    absent: null,
    shown: "whole",
    doc: "Whether requests and refused authentications are counted and limited. off: only for tests and measurements.",
  },
  {
    name: "WEIR_DEMO",
    form: "local, on or off",
    default: "local",
    absent: null,
    shown: "whole",
    doc: "To whom /demo is open: browsers on this machine, everybody, nobody. Never for an app in production.",
  },
  {
    name: "WEIR_WEBHOOK_ALLOW_PRIVATE",
    form: "true or false",
    default: "false",
    absent: null,
    shown: "whole",
    doc: "Whether webhooks may go to http URLs and to private addresses, this machine's included.",
  },
  {
    name: "WEIR_LOG_LEVEL",
    form: "debug, info, warn or error",
    default: "info",
    absent: null,
    shown: "whole",
    doc: "Least severe level that is logged.",
  },
  {
    name: "WEIR_LOG_FORMAT",
    form: "auto, json or pretty",
    default: "auto",
    absent: null,
    shown: "whole",
    doc: "One JSON object a line, or lines for people. auto: for people when standard output is a terminal.",
  },
] as const satisfies readonly Setting[]

export type SettingName = (typeof settings)[number]["name"]

/** The environment as a process has it. */
export type Env = Readonly<Record<string, string | undefined>>

/**
 * Names that begin with WEIR_ and mean something to others than the server: WEIR_URL to the client SDKs, WEIR_VECTORS
 * and everything under WEIR_TEST_ to the tests.
 */
export const isForeignName = (name: string): boolean =>
  name === "WEIR_URL" || name === "WEIR_VECTORS" || name.startsWith("WEIR_TEST_")

/** What stops the start although each value is right by itself: for the reference page. config.ts holds the checks. */
export const refusedMixes = [
  "A name that begins with `WEIR_` and is not a setting. `WEIR_URL` (client SDKs), `WEIR_VECTORS` and `WEIR_TEST_*` (tests) are left alone.",
  "A setting that is there but empty: a variable that somebody forgot to fill in must not switch protection off.",
  "`WEIR_HOST` other than loopback with neither a certificate nor `WEIR_TRUST_PROXY`: tokens would travel in the clear.",
  "`WEIR_TLS_CERT` without `WEIR_TLS_KEY`, or the other way round.",
  "`WEIR_OIDC_ISSUER` without `WEIR_OIDC_CLIENT_ID`, `WEIR_OIDC_CLIENT_SECRET` and `WEIR_PUBLIC_URL`, or any of the first two without it.",
  "`WEIR_API_KEY` without `WEIR_API_SECRET`, or the other way round.",
  "`WEIR_REDIS_URL` without `WEIR_DATABASE_URL`: Redis is for several nodes, and several nodes cannot share the embedded database.",
  "A `master.key` file in the data folder that holds no key, or a line that is none: a new one would make every sealed secret unreadable.",
] as const
