// OpenAPI 3.1 from the operations themselves, so that it cannot say something that the server does not do: the schemas
// are the ones that requests are validated with and answers are typed by (JSON Schema 2020-12, which 3.1 speaks).

import { ApiError, type ErrorName, errorCatalogue, errorEnvelope, type Operation } from "@weir/protocol"

type Json = Record<string, unknown>

/** Errors that every route behind the apps' door may answer with. */
const appErrors: readonly ErrorName[] = [
  "accessKey",
  "authentication",
  "tokenExpired",
  "tokenNotValidYet",
  "tokenBeforeIssuedAt",
  "tokenSignature",
  "appSuspended",
  "notAllowed",
  "rateLimit",
  "unavailable",
]
const operatorErrors: readonly ErrorName[] = ["authentication", "rateLimit"]

/** The document of these operations. `version` is the program's. Deterministic: equal input gives equal JSON. */
export function openApiOf(operations: readonly Operation[], version: string): Json {
  const paths: Record<string, Json> = {}
  for (const operation of [...operations].sort((a, b) => compare(a.path, b.path) || compare(a.method, b.method))) {
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: operationOf(operation) }
  }
  const tags = [...new Set(operations.map(({ tag }) => tag))].sort(compare)
  return {
    openapi: "3.1.0",
    info: {
      title: "Weir",
      version,
      description:
        "An open, self-hosted gate for chat, activity feeds and video calls. `admin` is the management API; everything else comes through an app's API key.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: tags.map((name) => ({ name, description: tagTexts[name] })),
    paths,
    components: { schemas: { Error: errorSchema }, securitySchemes },
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const tagTexts: Readonly<Record<Operation["tag"], string>> = {
  common: "Users, tasks and the app itself",
  chat: "Channels, members, messages and reads",
  feeds: "Feeds, follows and activities",
  video: "Calls",
  admin: "Management API, for operators",
}

function operationOf(operation: Operation): Json {
  const isAdmin = operation.access.includes("operator")
  return {
    operationId: operation.name,
    tags: [operation.tag],
    summary: operation.summary,
    "x-weir-access": [...operation.access],
    ...(operation.needs === undefined ? {} : { "x-weir-needs": operation.needs }),
    parameters: [
      ...parametersOf("path", operation.params as unknown as ObjectSchema),
      ...(isAdmin ? [] : keyParameters),
      ...parametersOf("query", operation.query as unknown as ObjectSchema),
    ],
    ...(operation.body === null
      ? {}
      : { requestBody: { required: isRequired(operation.body), content: json(plain(operation.body)) } }),
    responses: responsesOf(operation, isAdmin),
    security: securityOf(operation, isAdmin),
  }
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Json>>
  readonly required?: readonly string[]
}

const keyParameters = [
  { name: "api_key", in: "query", required: true, description: "The app's public key", schema: { type: "string" } },
  {
    name: "stream-auth-type",
    in: "header",
    required: false,
    description: "How the caller proves who it is; may also stand in the query",
    schema: { type: "string", enum: ["jwt", "anonymous"] },
  },
]

function parametersOf(where: "path" | "query", schema: ObjectSchema): Json[] {
  const required = new Set(schema.required ?? [])
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const { description, ...rest } = plain(property) as Json
    const base = { name, in: where, required: where === "path" || required.has(name) }
    const described = description === undefined ? base : { ...base, description }
    // An object in the query is one text of JSON (contract/README.md, «Query values»).
    const isJson = where === "query" && rest.type === "object"
    return isJson ? { ...described, content: json(rest) } : { ...described, schema: rest }
  })
}

const isRequired = (body: unknown): boolean => ((body as ObjectSchema).required ?? []).length > 0

const json = (schema: unknown): Json => ({ "application/json": { schema } })

function responsesOf(operation: Operation, isAdmin: boolean): Json {
  const responses: Record<string, Json> = {
    [String(operation.status)]: {
      description: "Done",
      content: { [operation.contentType ?? "application/json"]: { schema: plain(operation.output) } },
    },
  }
  const names: ErrorName[] = [...(isAdmin ? operatorErrors : operation.keyOnly ? keyOnlyErrors : appErrors)]
  for (const name of ["input", "payloadTooBig", ...operation.errors] as const)
    if (!names.includes(name)) names.push(name)
  const byStatus = new Map<number, ErrorName[]>()
  for (const name of names) {
    const { status } = errorCatalogue[name]
    byStatus.set(status, [...(byStatus.get(status) ?? []), name])
  }
  for (const [status, of] of [...byStatus].sort(([a], [b]) => a - b)) {
    responses[String(status)] = {
      description: of.map((name) => `${errorCatalogue[name].title} (${errorCatalogue[name].code})`).join("; "),
      content: {
        "application/json": {
          schema: { $ref: "#/components/schemas/Error" },
          examples: Object.fromEntries(of.map((name) => [name, { value: exampleOf(name, operation.name) }])),
        },
      },
    }
  }
  return responses
}

const keyOnlyErrors: readonly ErrorName[] = ["accessKey", "appSuspended", "rateLimit", "unavailable"]

const exampleOf = (name: ErrorName, operation: string) =>
  errorEnvelope(
    new ApiError(name, errorCatalogue[name].title),
    operation,
    "0.42ms",
    `https://weir.example/errors/${errorCatalogue[name].code}`,
  )

function securityOf(operation: Operation, isAdmin: boolean): Json[] {
  if (isAdmin) return [{ operator: [] }]
  // The key is a parameter; a token beside it is not looked at.
  if (operation.keyOnly) return [{}]
  const ways: Json[] = [{ token: [] }]
  if (operation.access.includes("server")) ways.push({ signature: [] }, { basic: [] })
  if (operation.access.includes("anonymous")) ways.push({})
  return ways
}

const securitySchemes = {
  token: {
    type: "apiKey",
    in: "header",
    name: "Authorization",
    description: "A user token or a server token (JWT), bare or after `Bearer `",
  },
  signature: {
    type: "apiKey",
    in: "header",
    name: "Signature",
    description:
      "HTTP Message Signature (RFC 9421) with hmac-sha256 over method, target, Content-Digest, created and nonce",
  },
  basic: {
    type: "http",
    scheme: "basic",
    description: "API key and API secret, over TLS, where the app allows it",
  },
  operator: { type: "http", scheme: "bearer", description: "WEIR_ADMIN_TOKEN" },
}

const errorSchema = {
  type: "object",
  required: ["code", "message", "StatusCode", "duration", "more_info", "details"],
  properties: {
    code: { type: "integer" },
    message: { type: "string" },
    StatusCode: { type: "integer" },
    duration: { type: "string" },
    more_info: { type: "string" },
    details: { type: "array", items: { type: "integer" } },
    exception_fields: { type: "object", additionalProperties: { type: "string" } },
    unrecoverable: { type: "boolean" },
  },
}

/** A schema as plain JSON: what the library keeps beside it for the compiler's eyes goes. */
function plain(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema)) as Json
}
