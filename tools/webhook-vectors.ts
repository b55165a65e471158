// Makes contract/vectors/webhooks/*.json: deliveries that every receiver must accept, and deliveries that it must
// refuse. Nothing here is the server's or an SDK's, so that they are held to the specifications and not to themselves.
// All is derived from fixed texts, so two runs give the same files:
// `node tools/bun.mjs tools/webhook-vectors.ts && npm run format`.

import { createHash, createHmac, createPrivateKey, sign } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { gunzipSync } from "node:zlib"

export const vectorsFolder = join(dirname(import.meta.dir), "contract/vectors/webhooks")

/** What a sender is given, and the headers that it must make of it. */
export interface SignVector {
  name: string
  comment: string
  id: string
  attempt: number
  /** Seconds since 1970. */
  timestamp: number
  body: string
  /** Key and secret of the app; null: it has none that can sign. */
  api: { key: string; secret: string } | null
  /** The hook's own secrets, newest first: `whsec_…` or `whsk_…`. */
  secrets: string[]
  headers: Record<string, string>
}

export interface Receiver {
  secrets?: string[]
  public_keys?: string[]
  api_secret?: string
  require_timestamp?: boolean
  tolerance_seconds: number
}

/** What arrives: the body as text, or as base64 where it is no text. */
export interface Arrival {
  /** The receiver's clock, in seconds since 1970. */
  now: number
  headers: Record<string, string>
  body?: string
  body_base64?: string
  /** Null: it is accepted. */
  error: string | null
}

export interface VerifyVector extends Arrival {
  name: string
  comment: string
  scheme: "v1" | "v1a" | "x-signature"
  /** Our receiver refuses what Standard Webhooks leaves open, so others may differ. */
  stricter?: true
  receiver: Receiver
}

export interface ReplayVector {
  name: string
  comment: string
  receiver: Receiver
  /** Asked of one receiver, one after the other. */
  steps: Arrival[]
}

const derived = (label: string): Buffer => createHash("sha256").update(`weir webhook vectors: ${label}`).digest()
const hmacSecret = (label: string): string => `whsec_${derived(label).toString("base64")}`

function keyPair(label: string): { secret: string; publicKey: string } {
  const seed = derived(label)
  const x = Buffer.from(privateKeyOf(seed).export({ format: "jwk" }).x as string, "base64url")
  return {
    secret: `whsk_${Buffer.concat([seed, x]).toString("base64")}`,
    publicKey: `whpk_${x.toString("base64")}`,
  }
}

const privateKeyOf = (seed: Buffer) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    format: "der",
    type: "pkcs8",
  })

const newer = hmacSecret("newer")
const older = hmacSecret("older")
const stranger = hmacSecret("stranger")
const shortest = `whsec_${derived("shortest").subarray(0, 24).toString("base64")}`
const longest = `whsec_${Buffer.concat([derived("longest"), derived("longest, continued")]).toString("base64")}`
const pair = keyPair("pair")
const otherPair = keyPair("other pair")
const api = { key: "a1b2c3d4e5f6", secret: derived("api secret").toString("hex") }

const id = "msg_2s8-018f6a5e-7c10-7e2b-9a44-5d1f00c0ffee"
const timestamp = 1_893_456_000
const toleranceSeconds = 300

const bodies = {
  plain: '{"type":"message.new","created_at":"2030-01-01T00:00:00.000Z","message":{"id":"m1","text":"hello"}}',
  unicode:
    '{"type":"message.new","text":"Grüezi, 你好, שלום, e\u0301 and \u2028, 👩‍👩‍👧‍👦 and \\ud83d\\udc4b, \\u0000"}',
  spaced: '{ "type" : "message.new",\r\n\t"text": "a  b" }\n',
  dots: '{"type":"custom.a.b","text":"1893456000.2.{}"}',
  big: `{"type":"message.new","text":"${"0123456789abcdef grüezi 👋 ".repeat(1_000)}"}`,
} as const

/** `bodies.plain` by a common gzip: another one would make other bytes, so they are kept. */
const packedPlain =
  "H4sIAAAAAAACA6tWKqksSFWyUspNLS5OTE/Vy0stV9JRSi5KTSxJTYlPLAFKGRkYG+gaGAJRiIGBFRjpGRgYRAHVQXUpWVUrZaaATDEECpakVoC0ZaTm5OQr1dYCAL29pqVjAAAA"

const mac = (secret: string, signed: string | Buffer): string =>
  createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64"))
    .update(signed)
    .digest("base64")

function signature(secret: string, body: string, parts: { id?: string; timestamp?: number } = {}): string {
  const signed = `${parts.id ?? id}.${parts.timestamp ?? timestamp}.${body}`
  if (secret.startsWith("whsec_")) return `v1,${mac(secret, signed)}`
  const seed = Buffer.from(secret.slice("whsk_".length), "base64").subarray(0, 32)
  return `v1a,${sign(null, Buffer.from(signed), privateKeyOf(seed)).toString("base64")}`
}

const xSignature = (body: string | Buffer, secret = api.secret): string =>
  createHmac("sha256", secret).update(body).digest("hex")

function standardHeaders(
  secrets: readonly string[],
  body: string,
  parts: { id?: string; timestamp?: number } = {},
): Record<string, string> {
  return {
    "webhook-id": parts.id ?? id,
    "webhook-timestamp": String(parts.timestamp ?? timestamp),
    "webhook-signature": secrets.map((secret) => signature(secret, body, parts)).join(" "),
  }
}

const documentedHeaders = (body: string | Buffer): Record<string, string> => ({
  "x-webhook-id": id,
  "x-webhook-attempt": "1",
  "x-api-key": api.key,
  "x-signature": xSignature(body),
})

function signVector(
  name: string,
  comment: string,
  given: { body?: string; api?: null; secrets?: string[]; attempt?: number },
): SignVector {
  const { body = bodies.plain, secrets = [newer], attempt = 1 } = given
  const headers: Record<string, string> = { "x-webhook-id": id, "x-webhook-attempt": String(attempt) }
  if (given.api !== null) Object.assign(headers, { "x-signature": xSignature(body), "x-api-key": api.key })
  if (secrets.length > 0) Object.assign(headers, standardHeaders(secrets, body))
  return { name, comment, id, attempt, timestamp, body, api: given.api === null ? null : api, secrets, headers }
}

/** Published values, which were not made here. */
const reference = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
  v1: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="],
  v1a: [
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
  ],
} as const

const referenceVector = (scheme: "v1" | "v1a", comment: string): SignVector => {
  const [secret, expected] = reference[scheme]
  return {
    name: `${scheme}: reference`,
    comment,
    id: reference.id,
    attempt: 1,
    timestamp: reference.timestamp,
    body: reference.body,
    api: null,
    secrets: [secret],
    headers: {
      "x-webhook-id": reference.id,
      "x-webhook-attempt": "1",
      "webhook-id": reference.id,
      "webhook-timestamp": String(reference.timestamp),
      "webhook-signature": expected,
    },
  }
}

export const signVectors = (): SignVector[] => [
  referenceVector("v1", "The value that the libraries of Standard Webhooks test themselves against."),
  referenceVector(
    "v1a",
    "The signature in the specification's example of a header; Ed25519 has no other for this key.",
  ),
  signVector("both schemes", "What a delivery carries when the app has an API secret and the hook a secret.", {}),
  signVector("a later attempt", "The attempt is not signed, so the signatures are those of the first.", {
    attempt: 17,
  }),
  signVector("no secret of the hook", "Then there is no time that could be signed.", { secrets: [] }),
  signVector("no API secret", "An app that has only key pairs.", { api: null }),
  signVector("a rotation", "One signature for each secret, newest first.", { secrets: [newer, older] }),
  signVector("both algorithms", "Receivers take the one that they have a key for.", { secrets: [pair.secret, newer] }),
  signVector("Ed25519 alone", "", { secrets: [pair.secret], api: null }),
  signVector("the shortest secret", "24 bytes.", { secrets: [shortest] }),
  signVector("the longest secret", "64 bytes, the block of SHA-256.", { secrets: [longest] }),
  signVector("other scripts and emoji", "The bytes of UTF-8 are signed, escapes as they are spelt.", {
    body: bodies.unicode,
  }),
  signVector("white space", "It belongs to the body, the line feed at the end too.", { body: bodies.spaced }),
  signVector("full stops in the body", "Only the first two separate.", { body: bodies.dots }),
  signVector("a big body", "", { body: bodies.big, secrets: [newer, pair.secret] }),
]

const receiver: Receiver = { secrets: [newer], tolerance_seconds: toleranceSeconds }
/** Takes what older senders sign as well. */
const movingOver: Receiver = {
  secrets: [newer],
  api_secret: api.secret,
  require_timestamp: false,
  tolerance_seconds: toleranceSeconds,
}

type VerifyParts = Partial<Omit<VerifyVector, "name" | "comment" | "error">>

function verifyVector(name: string, error: string | null, comment: string, parts: VerifyParts = {}): VerifyVector {
  const body = parts.body ?? bodies.plain
  return {
    name,
    comment,
    scheme: parts.scheme ?? "v1",
    ...(parts.stricter === undefined ? {} : { stricter: parts.stricter }),
    receiver: parts.receiver ?? receiver,
    now: parts.now ?? timestamp,
    headers: parts.headers ?? standardHeaders([newer], body),
    ...(parts.body_base64 === undefined ? { body } : { body_base64: parts.body_base64 }),
    error,
  }
}

const good = standardHeaders([newer], bodies.plain)
const goodSignature = good["webhook-signature"] as string
const withSignature = (value: string): VerifyParts => ({ headers: { ...good, "webhook-signature": value } })
const without = (...names: string[]): VerifyParts => ({
  headers: Object.fromEntries(Object.entries(good).filter(([name]) => !names.includes(name))),
})
const asymmetric = (...publicKeys: string[]): VerifyParts => ({
  scheme: "v1a",
  receiver: { public_keys: publicKeys, tolerance_seconds: toleranceSeconds },
  headers: standardHeaders([pair.secret], bodies.plain),
})
const documented = (parts: VerifyParts = {}): VerifyParts => ({
  scheme: "x-signature",
  receiver: { api_secret: api.secret, tolerance_seconds: toleranceSeconds },
  headers: documentedHeaders(parts.body ?? bodies.plain),
  ...parts,
})
const receiverOf = (...secrets: string[]): VerifyParts => ({
  receiver: { secrets, tolerance_seconds: toleranceSeconds },
})
const rotation = (parts: VerifyParts): VerifyParts => ({
  headers: standardHeaders([newer, older], bodies.plain),
  ...parts,
})
const cut = (text: string, chars: number): string => text.slice(0, text.length - chars)
const brokenPacked = Buffer.from(packedPlain, "base64").subarray(0, 40)

export const verifyVectors = (): VerifyVector[] => [
  verifyVector("genuine", null, ""),
  verifyVector("other scripts and emoji", null, "", { body: bodies.unicode }),
  verifyVector("white space", null, "", { body: bodies.spaced }),
  verifyVector("full stops in the body", null, "", { body: bodies.dots }),
  verifyVector("a big body", null, "", { body: bodies.big }),
  verifyVector("gzip", null, "The body travels packed and is signed before that.", { body_base64: packedPlain }),
  verifyVector("just within the tolerance, old", null, "", { now: timestamp + toleranceSeconds }),
  verifyVector("just within the tolerance, new", null, "", { now: timestamp - toleranceSeconds }),
  verifyVector("rotation, new secret", null, "", rotation(receiverOf(newer))),
  verifyVector("rotation, old secret", null, "", rotation(receiverOf(older))),
  verifyVector(
    "rotation, receiver first",
    null,
    "The receiver knows a secret before it is used.",
    receiverOf(stranger, newer),
  ),
  verifyVector(
    "a list with commas",
    null,
    "Something on the way joined several headers into one.",
    withSignature(`${signature(older, bodies.plain)}, ${goodSignature}`),
  ),
  verifyVector(
    "beside unknown versions",
    null,
    "",
    withSignature(`v2,${mac(stranger, "x")} v1a,${mac(stranger, "y")} ${goodSignature}`),
  ),
  verifyVector("beside garbage", null, "", withSignature(`garbage v1 v1, ${goodSignature}`)),

  verifyVector("altered body", "signature-mismatch", "", {
    headers: good,
    body: bodies.plain.replace("hello", "hallo"),
  }),
  verifyVector("a line feed more", "signature-mismatch", "", { headers: good, body: `${bodies.plain}\n` }),
  verifyVector("written again", "signature-mismatch", "Parsed and written, so no longer what was signed.", {
    headers: standardHeaders([newer], bodies.spaced),
    body: JSON.stringify(JSON.parse(bodies.spaced)),
  }),
  verifyVector("another event's signature", "signature-mismatch", "", { headers: good, body: bodies.unicode }),
  verifyVector("empty body", "signature-mismatch", "", { headers: good, body: "" }),
  verifyVector("late", "timestamp-too-old", "One second beyond the tolerance.", {
    now: timestamp + toleranceSeconds + 1,
  }),
  verifyVector("early", "timestamp-too-new", "One second beyond the tolerance.", {
    now: timestamp - toleranceSeconds - 1,
  }),
  verifyVector("late, and made young", "signature-mismatch", "The time is signed.", {
    now: timestamp + 4_000,
    headers: { ...good, "webhook-timestamp": String(timestamp + 4_000) },
  }),
  verifyVector("another id", "signature-mismatch", "The id is signed.", {
    headers: { ...good, "webhook-id": `${id}0` },
  }),
  verifyVector("wrong secret", "signature-mismatch", "", receiverOf(stranger)),
  verifyVector(
    "the secret's text as the key",
    "signature-mismatch",
    "A sender that did not decode the base64.",
    withSignature(`v1,${createHmac("sha256", newer).update(`${id}.${timestamp}.${bodies.plain}`).digest("base64")}`),
  ),
  verifyVector("signature cut", "signature-mismatch", "", withSignature(cut(goodSignature, 4))),
  verifyVector("signature without padding", "signature-mismatch", "", withSignature(cut(goodSignature, 1))),
  verifyVector(
    "signature in hex",
    "signature-mismatch",
    "",
    withSignature(`v1,${Buffer.from(goodSignature.slice(3), "base64").toString("hex")}`),
  ),
  verifyVector("unknown version", "signature-mismatch", "", withSignature(goodSignature.replace("v1,", "v2,"))),
  verifyVector("no version", "signature-mismatch", "", withSignature(goodSignature.slice(3))),
  verifyVector(
    "HMAC under the other name",
    "signature-mismatch",
    "",
    withSignature(goodSignature.replace("v1,", "v1a,")),
  ),
  verifyVector("a list with commas, none genuine", "signature-mismatch", "", {
    headers: {
      ...good,
      "webhook-signature": `${signature(older, bodies.plain)}, ${signature(stranger, bodies.plain)}`,
    },
  }),
  verifyVector("a list of nothing", "signature-mismatch", "", withSignature(" , ")),
  verifyVector("empty signature", "missing-header", "", withSignature("")),
  verifyVector("no signature", "missing-header", "", without("webhook-signature")),
  verifyVector("no id", "missing-header", "", without("webhook-id")),
  verifyVector("no time", "missing-header", "", without("webhook-timestamp")),
  verifyVector("time in words", "invalid-header", "", { headers: { ...good, "webhook-timestamp": "now" } }),
  verifyVector("negative time", "invalid-header", "", {
    stricter: true,
    headers: { ...good, "webhook-timestamp": `-${timestamp}` },
  }),
  verifyVector("a full stop in the id", "invalid-header", "What is signed could then be read in two ways.", {
    stricter: true,
    headers: standardHeaders([newer], bodies.plain, { id: "msg.1" }),
  }),
  verifyVector("too many signatures", "invalid-header", "Each costs time, so there are 16 at most.", {
    stricter: true,
    ...withSignature(`${`${signature(stranger, bodies.plain)} `.repeat(16)}${goodSignature}`),
  }),
  verifyVector("gzip, signed as it travels", "signature-mismatch", "", {
    body_base64: packedPlain,
    headers: {
      ...good,
      "webhook-signature": `v1,${mac(newer, Buffer.concat([Buffer.from(`${id}.${timestamp}.`), Buffer.from(packedPlain, "base64")]))}`,
    },
  }),
  verifyVector("broken gzip", "invalid-gzip", "", { body_base64: brokenPacked.toString("base64"), headers: good }),
  verifyVector("no JSON", "invalid-json", "Signed, and yet no event.", { body: "{" }),
  verifyVector("no type", "no-type", "Signed, and yet no event.", { stricter: true, body: '{"text":"hello"}' }),

  verifyVector("v1a: genuine", null, "", asymmetric(pair.publicKey)),
  verifyVector("v1a: rotation", null, "", asymmetric(otherPair.publicKey, pair.publicKey)),
  verifyVector("v1a: beside an HMAC that the receiver cannot check", null, "", {
    ...asymmetric(pair.publicKey),
    headers: standardHeaders([newer, pair.secret], bodies.plain),
  }),
  verifyVector("v1a: altered body", "signature-mismatch", "", {
    ...asymmetric(pair.publicKey),
    body: bodies.plain.replace("hello", "hallo"),
  }),
  verifyVector("v1a: wrong public key", "signature-mismatch", "", asymmetric(otherPair.publicKey)),
  verifyVector("v1a: signature cut", "signature-mismatch", "", {
    ...asymmetric(pair.publicKey),
    headers: { ...good, "webhook-signature": cut(signature(pair.secret, bodies.plain), 4) },
  }),
  verifyVector("v1a: an HMAC with the public key as its secret", "signature-mismatch", "Whoever knows it could sign.", {
    ...asymmetric(pair.publicKey),
    headers: standardHeaders([`whsec_${pair.publicKey.slice("whpk_".length)}`], bodies.plain),
  }),

  verifyVector("X-Signature: genuine", null, "No time is signed, so any clock will do.", documented({ now: 0 })),
  verifyVector("X-Signature: other scripts and emoji", null, "", documented({ body: bodies.unicode })),
  verifyVector(
    "X-Signature: beside signatures of the other scheme",
    null,
    "A receiver without the hook's secrets does not look at them.",
    documented({ headers: { ...documentedHeaders(bodies.plain), ...good } }),
  ),
  verifyVector("X-Signature: gzip", null, "", documented({ body_base64: packedPlain })),
  verifyVector("X-Signature: accepted beside secrets", null, "For as long as a receiver moves over, and no longer.", {
    ...documented(),
    receiver: movingOver,
  }),
  verifyVector(
    "X-Signature: altered body",
    "signature-mismatch",
    "",
    documented({ headers: documentedHeaders(bodies.plain), body: `${bodies.plain} ` }),
  ),
  verifyVector(
    "X-Signature: upper case",
    "signature-mismatch",
    "",
    documented({
      headers: { ...documentedHeaders(bodies.plain), "x-signature": xSignature(bodies.plain).toUpperCase() },
    }),
  ),
  verifyVector(
    "X-Signature: cut",
    "signature-mismatch",
    "",
    documented({ headers: { ...documentedHeaders(bodies.plain), "x-signature": cut(xSignature(bodies.plain), 1) } }),
  ),
  verifyVector(
    "X-Signature: wrong secret",
    "signature-mismatch",
    "",
    documented({ receiver: { api_secret: derived("another").toString("hex"), tolerance_seconds: toleranceSeconds } }),
  ),
  verifyVector(
    "X-Signature: missing",
    "missing-header",
    "",
    documented({ headers: { "x-webhook-id": id, "x-api-key": api.key } }),
  ),
  verifyVector("X-Signature: downgrade", "missing-header", "The signed time was left out to replay the rest.", {
    ...documented(),
    receiver: { secrets: [newer], api_secret: api.secret, tolerance_seconds: toleranceSeconds },
  }),
  verifyVector("X-Signature: not to rescue a bad signature", "signature-mismatch", "", {
    ...documented(),
    headers: { ...documentedHeaders(bodies.plain), ...good, "webhook-signature": signature(stranger, bodies.plain) },
    receiver: movingOver,
  }),
]

const arrival = (now: number, error: string | null, parts: { id?: string; timestamp?: number } = {}): Arrival => ({
  now,
  headers: standardHeaders([newer], bodies.plain, parts),
  body: bodies.plain,
  error,
})
const forged = (now: number): Arrival => ({
  ...arrival(now, "signature-mismatch"),
  headers: standardHeaders([stranger], bodies.plain),
})
/** The same delivery at each of these times: taken at the first, refused from then on, and too old at the last. */
const again = (...times: readonly number[]): Arrival[] =>
  times.map((now, at) => arrival(now, at === 0 ? null : at < times.length - 1 ? "replayed" : "timestamp-too-old"))

export const replayVectors = (): ReplayVector[] => [
  {
    name: "the same delivery again",
    comment: "At once, and until the tolerance ends; then it is too old, with no time in between.",
    receiver,
    steps: again(timestamp, timestamp, timestamp + toleranceSeconds, timestamp + toleranceSeconds + 1),
  },
  {
    name: "a delivery from the future",
    comment: "It is accepted for twice the tolerance, so it has to be remembered for as long.",
    receiver,
    steps: again(
      timestamp - toleranceSeconds,
      timestamp + 1,
      timestamp + toleranceSeconds,
      timestamp + toleranceSeconds + 1,
    ),
  },
  {
    name: "a retry",
    comment: "The id is the same and the time is new. The retry is remembered for as long as its own time is accepted.",
    receiver,
    steps: [
      arrival(timestamp, null),
      arrival(timestamp + 200, "replayed", { timestamp: timestamp + 200 }),
      arrival(timestamp + 450, "replayed", { timestamp: timestamp + 200 }),
      arrival(timestamp + 501, "timestamp-too-old", { timestamp: timestamp + 200 }),
    ],
  },
  {
    name: "a forgery does not use up the id",
    comment: "Otherwise anybody could keep an event away.",
    receiver,
    steps: [forged(timestamp), arrival(timestamp, null), forged(timestamp), arrival(timestamp, "replayed")],
  },
  {
    name: "other ids",
    comment: "The same body twice is two events when the ids differ.",
    receiver,
    steps: [
      arrival(timestamp, null),
      arrival(timestamp, null, { id: `${id}1` }),
      arrival(timestamp, "replayed", { id: `${id}1` }),
    ],
  },
]

if (import.meta.main) {
  if (gunzipSync(Buffer.from(packedPlain, "base64")).toString() !== bodies.plain)
    throw new Error("packedPlain is stale")
  mkdirSync(vectorsFolder, { recursive: true })
  const files = { sign: signVectors(), verify: verifyVectors(), replay: replayVectors() }
  for (const [name, vectors] of Object.entries(files)) {
    writeFileSync(join(vectorsFolder, `${name}.json`), `${JSON.stringify(vectors, null, 2)}\n`)
    console.log(`${name}.json: ${vectors.length} vectors`)
  }
}
