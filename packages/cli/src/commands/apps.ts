// Apps, keys, secrets and revocations from the command line: what the management API does, for people and scripts.

import { adminNotes, adminOptions, appOf, appOption, askServer, shown } from "../admin.ts"
import { type Command, columns, noPositionals, onlyPositional, printResult, UsageError } from "../command.ts"

// biome-ignore lint/suspicious/noExplicitAny: as the server answers it
type Answer = any

export const appsList: Command = {
  name: "apps list",
  usage: "",
  summary: "List the apps of a server.",
  options: adminOptions,
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const answer = await askServer(args, context, "GET", "/apps")
    const rows = answer.apps.map((app: Answer) => [
      String(app.id),
      `${shown(app.name)}, ${app.environment}${app.suspended ? ", suspended" : ""}${app.disable_auth_checks ? ", auth checks off" : ""}`,
    ])
    return printResult(args, context, answer, columns(rows))
  },
}

export const appsCreate: Command = {
  name: "apps create",
  usage: "<name>",
  summary: "Make an app with its first key. The secret is shown this once.",
  options: {
    environment: { type: "string", value: "<environment>", doc: "development (default) or production." },
    ...adminOptions,
  },
  notes: adminNotes,
  async run(args, context) {
    const name = onlyPositional(args, "<name>")
    const environment = args.text("environment") ?? "development"
    const answer = await askServer(args, context, "POST", "/apps", { name, environment })
    const rows: [string, string][] = [
      ["app", String(answer.app.id)],
      ["api key", answer.key.api_key],
      ["api secret", answer.secret],
    ]
    return printResult(args, context, answer, columns(rows))
  },
}

export const keysList: Command = {
  name: "keys list",
  usage: "",
  summary: "List the API keys of an app, the state of their secrets, and when each was used.",
  options: { app: appOption, ...adminOptions },
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const answer = await askServer(args, context, "GET", `/apps/${await appOf(args, context)}/keys`)
    const lines = answer.keys.flatMap((key: Answer) => [
      `${key.api_key}  ${shown(key.label)}${key.disabled ? " (switched off)" : ""}`,
      ...columns(
        key.secrets.map((secret: Answer) => [
          `${shown(secret.kid)}  ${secret.state}  ${secret.alg}`,
          usageText(secret),
        ]),
      ),
    ])
    return printResult(args, context, answer, lines)
  },
}

const usageText = ({ label, last_used_at, last_client, usage }: Answer): string => {
  const use =
    last_used_at === null
      ? "no use seen"
      : `last used ${last_used_at} by ${shown(last_client ?? "an unnamed client")}, ${usage.users} users`
  return label === "" ? use : `${shown(label)}: ${use}`
}

export const secretsAdd: Command = {
  name: "secrets add",
  usage: "<api_key>",
  summary: "Add a secret to a key. It is shown this once.",
  options: {
    app: appOption,
    label: { type: "string", value: "<text>", doc: "What it is for." },
    alg: { type: "string", value: "<alg>", doc: "HS256 (default), ES256 or EdDSA." },
    state: {
      type: "string",
      value: "<state>",
      doc: "standby or active. Default: active for the first of a key, else standby.",
    },
    prefixed: { type: "boolean", doc: "Make it recognisable for secret scanners: weir_sk_…" },
    ...adminOptions,
  },
  notes: adminNotes,
  async run(args, context) {
    const key = keyOf(onlyPositional(args, "<api_key>"))
    const body = {
      ...optional("label", args.text("label")),
      ...optional("alg", args.text("alg")),
      ...optional("state", args.text("state")),
      ...(args.flag("prefixed") ? { prefixed: true } : {}),
    }
    const app = await appOf(args, context)
    const answer = await askServer(args, context, "POST", `/apps/${app}/keys/${key}/secrets`, body)
    const { secret, value } = answer
    return printResult(args, context, answer, [
      ...columns([
        ["kid", secret.kid],
        ["state", secret.state],
      ]),
      ...(value === null ? [] : ["", value]),
    ])
  },
}

export const secretsSet: Command = {
  name: "secrets set",
  usage: "<api_key> <kid> <state>",
  summary: "Move a secret to standby, active, retiring or revoked, or say what that would do.",
  options: {
    app: appOption,
    "dry-run": { type: "boolean", doc: "Count who would be cut off, and change nothing." },
    force: { type: "boolean", doc: "Revoke a secret that is in use, or the last that verifies." },
    ...adminOptions,
  },
  notes: adminNotes,
  async run(args, context) {
    const [key, kid, state, ...rest] = args.positionals
    if (key === undefined || kid === undefined || state === undefined || rest.length > 0) {
      throw new UsageError("an API key, a kid and a state are needed")
    }
    const query = new URLSearchParams()
    if (args.flag("dry-run")) query.set("dry_run", "true")
    if (args.flag("force")) query.set("force", "true")
    const path = `/apps/${await appOf(args, context)}/keys/${keyOf(key)}/secrets/${encodeURIComponent(kid)}?${query}`
    const answer = await askServer(args, context, "PATCH", path, { state })
    const { secret, cut_off, receipt } = answer
    const would = args.flag("dry-run") ? "would end" : "ends"
    return printResult(args, context, answer, [
      `${shown(secret.kid)} is ${secret.state}`,
      ...(state === "revoked"
        ? [
            `${would} ${cut_off.tokens} known tokens of ${cut_off.users} users; safe: ${cut_off.safe ? "yes" : "no"}, ${shown(cut_off.because)}`,
          ]
        : []),
      ...receiptLines(receipt),
    ])
  },
}

const targets = ["user", "key", "kid", "jti", "token-sha256", "device"] as const
const members = {
  user: "user_id",
  key: "api_key",
  kid: "kid",
  jti: "jti",
  "token-sha256": "token_sha256",
  device: "device_id",
}

export const revoke: Command = {
  name: "revoke",
  usage: "",
  summary: "End the tokens and sockets of a user, key, secret, token, device, or all users, on every node.",
  options: {
    app: appOption,
    user: { type: "string", value: "<user_id>", doc: "Tokens of this user." },
    key: { type: "string", value: "<api_key>", doc: "Tokens that came with this key, servers' too." },
    kid: { type: "string", value: "<kid>", doc: "Tokens of this secret, servers' too." },
    jti: { type: "string", value: "<jti>", doc: "The token with this id." },
    "token-sha256": { type: "string", value: "<hex>", doc: "The token with this hash." },
    device: { type: "string", value: "<device_id>", doc: "Tokens made for this device." },
    all: { type: "boolean", doc: "Users' tokens of the whole app." },
    before: { type: "string", value: "<time>", doc: "Tokens issued before, RFC 3339. Default: all up to now." },
    shadow: { type: "boolean", doc: "Refuse nobody; count whom it would end." },
    "dry-run": { type: "boolean", doc: "Count sockets and known tokens, and change nothing." },
    reason: { type: "string", value: "<text>", doc: "For the audit log." },
    ...adminOptions,
  },
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const named = targets.filter((name) => args.text(name) !== null)
    if (named.length + (args.flag("all") ? 1 : 0) !== 1) {
      throw new UsageError(`name exactly one of ${targets.map((name) => `--${name}`).join(", ")}, --all`)
    }
    const body = {
      ...Object.fromEntries(named.map((name) => [members[name], args.text(name)])),
      ...(args.flag("all") ? { all: true } : {}),
      ...optional("before", args.text("before")),
      ...optional("reason", args.text("reason")),
      ...(args.flag("shadow") ? { mode: "shadow" } : {}),
    }
    const dry = args.flag("dry-run") ? "?dry_run=true" : ""
    const answer = await askServer(args, context, "POST", `/apps/${await appOf(args, context)}/revocations${dry}`, body)
    const { would, receipt } = answer
    return printResult(
      args,
      context,
      answer,
      would === null
        ? receiptLines(receipt)
        : [`would close ${would.sockets} sockets and end ${would.tokens} known tokens of ${would.users} users`],
    )
  },
}

function receiptLines(receipt: Answer): string[] {
  if (receipt === null) return []
  const nodes = receipt.nodes.map((node: Answer) => [
    `node ${shown(node.id)}`,
    node.fenced
      ? "did not answer; its lease is over, so it lets nobody in"
      : `applied ${node.applied_at}, closed ${node.sockets_closed} sockets`,
  ])
  return columns([
    ["receipt", receipt.id],
    ["holds from", receipt.effective_at],
    ["sockets closed", String(receipt.sockets_closed)],
    ["slowest node", `${receipt.max_lag_ms} ms`],
    ...nodes,
  ])
}

const optional = (name: string, value: string | null): Record<string, string> =>
  value === null ? {} : { [name]: value }

function keyOf(text: string): string {
  if (/^[a-z0-9]{12}$/.test(text)) return text
  throw new UsageError(`"${shown(text).slice(0, 80)}" is not an API key: 12 characters of a-z0-9`)
}
