// Where a hook's deliveries go: how each kind of target is written by its members, kept in two halves (what is shown and
// what is sealed), and shown again. Pure.

import type { ApiError, webhooks } from "@weir/protocol"
import type { Static } from "typebox"
import type { HookKind, HookTarget } from "../../events/webhooks/hook.ts"
import { limits } from "./limits.ts"

/** A hook as it is written, checked by its schema only. */
export type HookInput = Static<typeof webhooks.HookInput>

/** Kinds that a setting can make; a listener makes its own. */
export type WrittenKind = Exclude<HookKind, "listen">
type TargetOf<Kind extends HookKind> = Extract<HookTarget, { kind: Kind }>

type OmitEach<T, Name extends string> = T extends unknown ? Omit<T, Name> : never
/** The half of a target that is shown: no secret, and a Redis URL without its password. */
export type OpenTarget = OmitEach<HookTarget, "secretAccessKey" | "password" | "token">

/** The half that is sealed. Null: there is nothing to seal. */
export interface TargetSecrets {
  readonly secretAccessKey?: string
  readonly password?: string
  readonly token?: string
}

/** What reading a target needs: the way to name a member in errors, and the guard of outgoing requests. */
export interface ReadTarget {
  /** The error of a member, such as `event_hooks.0.webhook_url must be https`. */
  readonly fault: (member: string, text: string) => ApiError
  /** Why a URL would be refused (Outgoing.objection), or null. */
  readonly objection: (url: string) => string | null
}

interface TargetKind<Kind extends WrittenKind> {
  /** Members of a hook that belong to this kind alone. */
  readonly members: readonly (keyof HookInput & string)[]
  /**
   * The target after a change; `before` is what it was. Secrets that are not given stay while that which they belong to
   * stays the same: an address that changes alone must not get a password that was meant for another.
   */
  read(input: HookInput, before: TargetOf<Kind> | null, parts: ReadTarget): TargetOf<Kind>
}

export const targetKinds: { readonly [Kind in WrittenKind]: TargetKind<Kind> } = {
  webhook: {
    members: ["webhook_url"],
    read(input, before, parts) {
      const url = required(input, "webhook_url", before?.url, parts)
      requireUnobjected("webhook_url", url, parts)
      return { kind: "webhook", url }
    },
  },

  sqs: {
    members: ["sqs_queue_url", "sqs_region", "sqs_auth_type", "sqs_role_arn", "sqs_key", "sqs_secret"],
    read(input, before, parts) {
      const queueUrl = required(input, "sqs_queue_url", before?.queueUrl, parts)
      requireUnobjected("sqs_queue_url", queueUrl, parts)
      if (new URL(queueUrl).pathname === "/") throw parts.fault("sqs_queue_url", "names no queue")
      const named = regionOfQueue(queueUrl)
      const known = named ?? (before?.queueUrl === queueUrl ? before.region : regionDefault)
      const region = regionFrom(input, "sqs_region", named, known, "the URL", parts)
      return { kind: "sqs", queueUrl, region, ...awsCredentials(input, "sqs", before, parts) }
    },
  },

  sns: {
    members: [
      "sns_topic_arn",
      "sns_region",
      "sns_auth_type",
      "sns_role_arn",
      "sns_key",
      "sns_secret",
      "sns_event_based_message_group_id_enabled",
      "sns_endpoint",
    ],
    read(input, before, parts) {
      const topicArn = required(input, "sns_topic_arn", before?.topicArn, parts)
      const named = topicArnForm.exec(topicArn)?.[1]
      if (named === undefined) {
        throw parts.fault(
          "sns_topic_arn",
          "must be the ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:name",
        )
      }
      const endpoint = input.sns_endpoint === undefined ? (before?.endpoint ?? null) : input.sns_endpoint || null
      if (endpoint !== null) requireUnobjected("sns_endpoint", endpoint, parts)
      return {
        kind: "sns",
        topicArn,
        region: regionFrom(input, "sns_region", named, named, "the ARN", parts),
        groupByType: input.sns_event_based_message_group_id_enabled ?? before?.groupByType ?? false,
        endpoint,
        ...awsCredentials(input, "sns", before, parts),
      }
    },
  },

  redis: {
    members: ["redis_url", "redis_stream", "redis_length_max"],
    read(input, before, parts) {
      const url = serverUrl(required(input, "redis_url", before?.url, parts), "redis_url", ["redis:", "rediss:"], parts)
      if (!/^\/?\d{0,4}$/.test(url.pathname)) {
        throw parts.fault("redis_url", "must end in the number of a database, or in nothing")
      }
      if (url.password === "" && before !== null) {
        const known = new URL(before.url)
        const isSame = ["protocol", "host", "username"].every((part) => url[part as "host"] === known[part as "host"])
        if (isSame) url.password = known.password
      }
      const stream = required(input, "redis_stream", before?.stream, parts)
      if (!/^[\x21-\x7e]+$/.test(stream)) throw parts.fault("redis_stream", "must be printable ASCII without spaces")
      const lengthMax = input.redis_length_max === undefined ? (before?.lengthMax ?? null) : input.redis_length_max
      if (lengthMax !== null && lengthMax > limits.streamLengthMax) {
        throw parts.fault("redis_length_max", `must be at most ${limits.streamLengthMax}`)
      }
      return { kind: "redis", url: url.href, stream, lengthMax }
    },
  },

  nats: {
    members: ["nats_url", "nats_subject", "nats_user", "nats_password", "nats_token"],
    read(input, before, parts) {
      const url = serverUrl(required(input, "nats_url", before?.url, parts), "nats_url", ["nats:", "tls:"], parts)
      if (url.username !== "" || url.password !== "") {
        throw parts.fault(
          "nats_url",
          "must be without credentials: nats_user and nats_password, or nats_token, hold them",
        )
      }
      if (url.pathname !== "" && url.pathname !== "/") throw parts.fault("nats_url", "must be without a path")
      const subject = required(input, "nats_subject", before?.subject, parts)
      if (!/^[\x21-\x7e]+$/.test(subject) || subject.split(".").some((word) => /^$|[*>]/.test(word))) {
        throw parts.fault("nats_subject", "must be words of printable ASCII with dots in between, without * and >")
      }
      const known = before !== null && before.url === url.href ? before : null
      return { kind: "nats", url: url.href, subject, ...natsCredentials(input, known, parts) }
    },
  },
}

export const writtenKinds = Object.keys(targetKinds) as WrittenKind[]

const topicArnForm = /^arn:aws[a-z-]*:sns:([a-z0-9-]{1,32}):\d{12}:[\w-]{1,256}(?:\.fifo)?$/

/** Services that speak the queue's protocol elsewhere have no regions, and take what the signature says. */
const regionDefault = "us-east-1"
const queueHostForms = [
  /^(?:vpce-[\w-]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$/,
  /^sqs\.([a-z0-9-]+)\.api\.aws$/,
  /^([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?$/,
]

/** The region that the host of a queue names; undefined for hosts that are not of AWS. */
export function regionOfQueue(queueUrl: string): string | undefined {
  const { hostname } = new URL(queueUrl)
  if (hostname === "queue.amazonaws.com") return "us-east-1"
  for (const form of queueHostForms) {
    const region = form.exec(hostname)?.[1]
    if (region !== undefined) return region
  }
  return undefined
}

/** An empty text is what typed clients send of a member that they do not set. */
const textOf = (input: HookInput, member: keyof HookInput): string | undefined => {
  const value = input[member]
  return typeof value === "string" && value !== "" ? value : undefined
}

function required(input: HookInput, member: keyof HookInput & string, before: string | undefined, parts: ReadTarget) {
  const value = textOf(input, member) ?? before
  if (value === undefined) throw parts.fault(member, "is required")
  return value
}

/** Throws inputError when requests may not go there. */
export function requireUnobjected(member: string, url: string, { fault, objection }: ReadTarget): void {
  const text = objection(url)
  if (text !== null) throw fault(member, `is refused: ${text}`)
  // A guard that lets everything private pass still leaves what no request can be made of.
  if (!URL.canParse(url)) throw fault(member, "must be a URL")
}

function regionFrom(
  input: HookInput,
  member: "sqs_region" | "sns_region",
  named: string | undefined,
  known: string,
  where: string,
  { fault }: ReadTarget,
): string {
  const region = textOf(input, member) ?? known
  if (!/^[a-z0-9-]{1,32}$/.test(region)) throw fault(member, "must be a region, such as eu-west-1")
  if (named !== undefined && region !== named) throw fault(member, `must be ${named}, as ${where} says`)
  return region
}

function awsCredentials(
  input: HookInput,
  service: "sqs" | "sns",
  before: { readonly accessKeyId: string; readonly secretAccessKey: string } | null,
  parts: ReadTarget,
) {
  const authType = textOf(input, `${service}_auth_type`)
  if (authType !== undefined && authType !== "keys") {
    throw parts.fault(`${service}_auth_type`, "must be keys: there is no role that this server could take")
  }
  if (textOf(input, `${service}_role_arn`) !== undefined) {
    throw parts.fault(`${service}_role_arn`, `is not supported: give ${service}_key and ${service}_secret`)
  }
  const accessKeyId = required(input, `${service}_key`, before?.accessKeyId, parts)
  if (!/^\w{1,128}$/.test(accessKeyId)) throw parts.fault(`${service}_key`, "must be the id of an access key")
  const known = before?.accessKeyId === accessKeyId ? before.secretAccessKey : undefined
  const secretAccessKey = textOf(input, `${service}_secret`) ?? known
  if (secretAccessKey === undefined) throw parts.fault(`${service}_secret`, `is required with another ${service}_key`)
  if (!/^[\x21-\x7e]+$/.test(secretAccessKey)) throw parts.fault(`${service}_secret`, "must be printable ASCII")
  return { accessKeyId, secretAccessKey }
}

type NatsCredentials = Pick<TargetOf<"nats">, "user" | "password" | "token">

/** `known`: the credentials at the same server. An empty `nats_user` takes them away. */
function natsCredentials(input: HookInput, known: NatsCredentials | null, { fault }: ReadTarget): NatsCredentials {
  const token = textOf(input, "nats_token")
  const password = textOf(input, "nats_password")
  const user = textOf(input, "nats_user")
  if (token !== undefined) {
    if (user !== undefined || password !== undefined) {
      throw fault("nats_token", "goes without nats_user and nats_password")
    }
    return { user: null, password: null, token }
  }
  if (user === undefined && password === undefined) {
    const isKept = known !== null && input.nats_user === undefined
    return isKept
      ? { user: known.user, password: known.password, token: known.token }
      : { user: null, password: null, token: null }
  }
  const named = user ?? known?.user ?? null
  if (named === null) throw fault("nats_user", "is required with nats_password")
  const kept = known?.user === named ? known.password : null
  if (password === undefined && kept === null) throw fault("nats_password", "is required with another nats_user")
  return { user: named, password: password ?? kept, token: null }
}

function serverUrl(text: string, member: string, protocols: readonly string[], parts: ReadTarget): URL {
  if (!URL.canParse(text)) throw parts.fault(member, "must be a URL")
  const url = new URL(text)
  if (!protocols.includes(url.protocol)) {
    throw parts.fault(member, `must begin with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`)
  }
  if (url.hostname === "") throw parts.fault(member, "names no server")
  if (url.search !== "" || url.hash !== "") throw parts.fault(member, "must be without a query and a fragment")
  // The guard knows URLs of the web; what it has to say of a host holds for every protocol.
  requireUnobjected(member, `https://${url.host}/`, parts)
  return url
}

/** A target in its two halves. */
export function splitTarget(target: HookTarget): { readonly open: OpenTarget; readonly secrets: TargetSecrets | null } {
  switch (target.kind) {
    case "sqs":
    case "sns": {
      const { secretAccessKey, ...open } = target
      return { open, secrets: { secretAccessKey } }
    }
    case "redis": {
      const url = new URL(target.url)
      const { password } = url
      if (password === "") return { open: target, secrets: null }
      url.password = ""
      return { open: { ...target, url: url.href }, secrets: { password } }
    }
    case "nats": {
      const { password, token, ...open } = target
      if (password === null && token === null) return { open, secrets: null }
      return { open, secrets: { ...(password === null ? {} : { password }), ...(token === null ? {} : { token }) } }
    }
    default:
      return { open: target, secrets: null }
  }
}

/** The two halves as one target again. */
export function joinTarget(open: OpenTarget, secrets: TargetSecrets | null): HookTarget {
  switch (open.kind) {
    case "sqs":
    case "sns":
      return { ...open, secretAccessKey: secrets?.secretAccessKey ?? "" }
    case "redis": {
      if (secrets?.password === undefined) return open
      const url = new URL(open.url)
      // It is kept as it stood in the URL, escapes and all.
      url.password = secrets.password
      return { ...open, url: url.href }
    }
    case "nats":
      return { ...open, password: secrets?.password ?? null, token: secrets?.token ?? null }
    default:
      return open
  }
}

/** The members by which a target is shown. */
export function targetView(open: OpenTarget): Partial<HookInput> {
  switch (open.kind) {
    case "webhook":
      return { webhook_url: open.url }
    case "sqs":
      return {
        sqs_queue_url: open.queueUrl,
        sqs_region: open.region,
        sqs_auth_type: "keys",
        sqs_key: open.accessKeyId,
      }
    case "sns":
      return {
        sns_topic_arn: open.topicArn,
        sns_region: open.region,
        sns_auth_type: "keys",
        sns_key: open.accessKeyId,
        sns_event_based_message_group_id_enabled: open.groupByType,
        ...(open.endpoint === null ? {} : { sns_endpoint: open.endpoint }),
      }
    case "redis":
      return { redis_url: open.url, redis_stream: open.stream, redis_length_max: open.lengthMax }
    case "nats":
      return {
        nats_url: open.url,
        nats_subject: open.subject,
        ...(open.user === null ? {} : { nats_user: open.user }),
      }
    case "listen":
      return {}
  }
}

/** Where a target lies, in one text: two hooks with the same are one, set anew. */
export function addressOf(target: OpenTarget | HookTarget): string {
  switch (target.kind) {
    case "webhook":
      return `webhook ${target.url}`
    case "sqs":
      return `sqs ${target.queueUrl}`
    case "sns":
      return `sns ${target.topicArn}`
    case "redis": {
      const url = new URL(target.url)
      url.password = ""
      return `redis ${url.href} ${target.stream}`
    }
    case "nats":
      return `nats ${target.url} ${target.subject}`
    case "listen":
      return `listen ${target.nodeId}`
  }
}

/** As addressOf, for the audit log: a query may hold a secret of the receiver's. */
export function namedAddress(target: OpenTarget): string {
  if (target.kind !== "webhook") return addressOf(target)
  const { origin, pathname } = new URL(target.url)
  return `webhook ${origin}${pathname}`
}

/** As addressOf, of a hook as it is written; null when it does not say. */
export function writtenAddress(input: HookInput): string | null {
  switch (input.hook_type) {
    case "webhook":
      return input.webhook_url ? `webhook ${input.webhook_url}` : null
    case "sqs":
      return input.sqs_queue_url ? `sqs ${input.sqs_queue_url}` : null
    case "sns":
      return input.sns_topic_arn ? `sns ${input.sns_topic_arn}` : null
    case "redis": {
      if (!URL.canParse(input.redis_url ?? "")) return null
      return addressOf({
        kind: "redis",
        url: input.redis_url as string,
        stream: input.redis_stream ?? "",
        lengthMax: null,
      })
    }
    case "nats":
      return URL.canParse(input.nats_url ?? "")
        ? `nats ${new URL(input.nats_url as string).href} ${input.nats_subject}`
        : null
    default:
      return null
  }
}
