// From text to the typed input of an operation. What real clients send is wider than what the schemas say: empty and
// `null` bodies on any method, booleans as 1 and 0, arrays in three spellings, typed fields set to null
// (contract/README.md, «Requests» and «Null, absent, false»). It is brought to the schema's form here, then validated.

import { type ApiError, type InputOf, inputError, limits, type Operation } from "@weir/protocol"
import type { TSchema } from "typebox"
import { Compile } from "typebox/compile"
import type { Query } from "./target.ts"

/** The parts of JSON Schema that the readers below look at. */
interface SchemaShape {
  type?: string
  properties?: Record<string, SchemaShape>
  /** A map has one pattern, which stands for all its names. */
  patternProperties?: Record<string, SchemaShape>
  items?: SchemaShape
  anyOf?: SchemaShape[]
}

export interface InputReader<Op extends Operation> {
  /** Throws inputError with the fields at fault. */
  read(params: Record<string, string>, query: Query, body: unknown): InputOf<Op>
}

/** Compiles an operation's schemas once, at start. */
export function inputReader<Op extends Operation>(operation: Op): InputReader<Op> {
  const readPath = validator(operation.params)
  const readQuery = validator(operation.query)
  const readBody = operation.body === null ? null : validator(operation.body)
  const querySchema = operation.query as unknown as SchemaShape
  const hasQuery = Object.keys(querySchema.properties ?? {}).length > 0
  return {
    read(params, query, body) {
      return {
        path: readPath(params, ""),
        query: hasQuery ? readQuery(queryObject(querySchema, query), "") : {},
        body: readBody === null ? undefined : readBody(body ?? {}, ""),
      } as InputOf<Op>
    },
  }
}

/** Parses a body's text. Empty and `null` both mean «no body». Throws inputError. */
export function parseBody(text: string): unknown {
  if (text === "" || text === "null") return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw inputError("the request body is not valid JSON")
  }
  if (depthOf(value, limits.jsonDepthMax) > limits.jsonDepthMax) throw inputError("the request body is nested too deep")
  // Only an escape can bring in what no database keeps: the body itself was decoded from UTF-8, raw controls are no JSON.
  if (text.includes("\\u")) requireStorable(value, "")
  return value
}

/** PostgreSQL keeps no U+0000, and half a surrogate pair has no UTF-8 at all; stored, it would come back as another. */
function requireStorable(value: unknown, at: string): void {
  if (typeof value === "string") {
    const fault = value.includes("\0")
      ? "must not contain U+0000"
      : value.isWellFormed()
        ? null
        : "has half a surrogate pair"
    if (fault !== null) throw inputError(`${at || "the body"} ${fault}`, { [at || "body"]: fault })
  } else if (value !== null && typeof value === "object") {
    for (const [name, member] of Object.entries(value)) {
      requireStorable(name, at)
      requireStorable(member, at === "" ? name : `${at}.${name}`)
    }
  }
}

function validator(schema: TSchema): (value: unknown, at: string) => unknown {
  const compiled = Compile(schema)
  const shape = schema as unknown as SchemaShape
  return (value) => {
    if (compiled.Check(value)) return value
    const withoutNulls = dropNulls(shape, value)
    if (compiled.Check(withoutNulls)) return withoutNulls
    throw errorOf(compiled.Errors(withoutNulls))
  }
}

interface SchemaError {
  instancePath: string
  message: string
  params?: object
}

function errorOf(errors: Iterable<SchemaError>): ApiError {
  const fields: Record<string, string> = {}
  let first = ""
  for (const error of errors) {
    const missing = (error.params as { requiredProperties?: string[] } | undefined)?.requiredProperties?.[0]
    const field = [error.instancePath.slice(1).replaceAll("/", "."), missing].filter(Boolean).join(".") || "body"
    const text = missing === undefined ? error.message : "is required"
    fields[field] ??= text
    if (first === "") first = `${field} ${text}`
    if (Object.keys(fields).length >= 10) break
  }
  return inputError(first, fields)
}

/** Leaves out what is null and typed; free-form maps keep their nulls. */
function dropNulls(schema: SchemaShape, value: unknown): unknown {
  if (Array.isArray(value))
    return schema.items ? value.map((item) => dropNulls(schema.items as SchemaShape, item)) : value
  if (value === null || typeof value !== "object") return value
  const { properties = {} } = schema
  const [ofMap] = Object.values(schema.patternProperties ?? {})
  const kept: [string, unknown][] = []
  for (const [name, member] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (member === null && known !== undefined && !acceptsNull(known)) continue
    const shape = known ?? ofMap
    kept.push([name, shape === undefined ? member : dropNulls(shape, member)])
  }
  // Makes members of their own, whatever their names are; an assignment to `__proto__` would not.
  return Object.fromEntries(kept)
}

const acceptsNull = (schema: SchemaShape): boolean =>
  schema.type === "null" || schema.type === undefined ? (schema.anyOf?.some(acceptsNull) ?? true) : false

function queryObject(schema: SchemaShape, query: Query): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const values = query.get(name)
    if (values !== undefined) result[name] = queryValue(name, property, values)
  }
  return result
}

// What does not parse is handed on as text, so that the validation names the field and the expected type.
function queryValue(name: string, schema: SchemaShape, values: readonly string[]): unknown {
  const text = values[0] as string
  switch (schema.type) {
    case "boolean":
      return { true: true, "1": true, false: false, "0": false }[text.toLowerCase()] ?? text
    case "integer":
    case "number":
      return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text
    case "array":
      return queryArray(name, schema.items ?? {}, values)
    case "object":
      return jsonOf(name, text)
    default:
      return text
  }
}

function queryArray(name: string, items: SchemaShape, values: readonly string[]): unknown {
  const [first] = values
  if (values.length === 1 && first?.startsWith("[")) return jsonOf(name, first)
  const parts = values.length === 1 ? (first === "" ? [] : (first as string).split(",")) : values
  return parts.map((part) => queryValue(name, items, [part]))
}

function jsonOf(name: string, text: string): unknown {
  let value: unknown = null
  try {
    value = parseBody(text)
  } catch {
    // Answered below, with the name of the parameter.
  }
  // An empty one is what a client leaves of an object that it could not write (contract/README.md, «Query values»).
  if (value === null) throw inputError(`${name} is not valid JSON`, { [name]: "must be JSON" })
  return value
}

function depthOf(value: unknown, max: number): number {
  if (value === null || typeof value !== "object" || max < 0) return 0
  let deepest = 0
  for (const member of Object.values(value)) {
    const depth = depthOf(member, max - 1)
    if (depth > deepest) deepest = depth
  }
  return deepest + 1
}
