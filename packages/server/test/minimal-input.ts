// The smallest input that an operation's schemas accept, so that the security matrix reaches what is behind the
// validation of every route, also of those that nobody had thought of when it was written.

import type { Operation } from "@weir/protocol"
import type { TSchema } from "typebox"
import { Compile } from "typebox/compile"

interface SchemaShape {
  type?: string
  const?: unknown
  properties?: Record<string, SchemaShape>
  patternProperties?: Record<string, SchemaShape>
  minProperties?: number
  required?: string[]
  items?: SchemaShape
  anyOf?: SchemaShape[]
  minItems?: number
  minLength?: number
  minimum?: number
  pattern?: string
}

export interface MinimalInput {
  /** With its parameters filled in, and the query behind it. */
  readonly target: string
  readonly body: unknown
}

/** Throws when a schema asks for something that is not known here; then this file has to learn it. */
export function minimalInput(operation: Operation): MinimalInput {
  const params = valid(operation.params, operation.name) as Record<string, string>
  const query = valid(operation.query, operation.name) as Record<string, unknown>
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] as string))
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [
      name,
      typeof value === "object" ? JSON.stringify(value) : String(value),
    ]),
  )
  return {
    target: search.size === 0 ? path : `${path}?${search}`,
    body: operation.body === null ? undefined : valid(operation.body, operation.name),
  }
}

function valid(schema: TSchema, of: string): unknown {
  const value = minimal(schema as unknown as SchemaShape, of)
  if (!Compile(schema).Check(value)) throw new Error(`${of}: ${JSON.stringify(value)} does not fit its schema`)
  return value
}

function minimal(schema: SchemaShape, of: string): unknown {
  if ("const" in schema) return schema.const
  if (schema.anyOf?.[0]) return minimal(schema.anyOf[0], of)
  switch (schema.type) {
    case "string":
      return text(schema, of)
    case "integer":
    case "number":
      return schema.minimum ?? 0
    case "boolean":
      return false
    case "null":
      return null
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => minimal(schema.items ?? {}, of))
    case "object":
      return object(schema, of)
    case undefined:
      return {}
    default:
      throw new Error(`${of}: no minimal value of type ${schema.type}`)
  }
}

function object(
  { properties = {}, patternProperties = {}, required = [], minProperties = 0 }: SchemaShape,
  of: string,
) {
  const members = required.map((name) => [name, minimal(properties[name] ?? {}, of)])
  const [ofMap] = Object.values(patternProperties)
  if (members.length < minProperties && ofMap !== undefined) members.push([samples[0], minimal(ofMap, of)])
  return Object.fromEntries(members)
}

const samples = [
  "absent",
  "1",
  "messaging:absent",
  "2020-01-01T00:00:00Z",
  "absent@example.com",
  // An API key, the id of a row, a digest.
  "absentabsent",
  "00000000-0000-4000-8000-000000000000",
  "0".repeat(64),
  // A delivery.
  "msg_0-00000000-0000-4000-8000-000000000000",
]

function text({ pattern, minLength = 0 }: SchemaShape, of: string): string {
  const sample = samples.find(
    (text) => (pattern === undefined || new RegExp(pattern).test(text)) && text.length >= minLength,
  )
  if (sample === undefined) throw new Error(`${of}: no text for the pattern ${pattern}`)
  return sample
}
