// Input of operations from their own schemas: valid, or nearly so.

import { limits, type Operation } from "@weir/protocol"
import fc from "fast-check"
import type { TSchema } from "typebox"

interface SchemaShape {
  type?: string
  const?: unknown
  enum?: unknown[]
  properties?: Record<string, SchemaShape>
  patternProperties?: Record<string, SchemaShape>
  required?: string[]
  items?: SchemaShape
  anyOf?: SchemaShape[]
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  pattern?: string
}

/** Texts that mean something to the server under test, tried wherever their form is allowed. */
export type KnownTexts = readonly string[]

export interface OperationInput {
  /** With its parameters filled in, and the query behind it. */
  readonly target: string
  readonly body: unknown
}

const bounds = {
  /** More of a list or a text shows nothing that a few do not. */
  itemsMax: 3,
  charsMax: 40,
  membersMax: 3,
} as const

/** Inputs that the operation's schemas accept; with `damaged`, values of other types in places of the body. */
export function inputOf(operation: Operation, known: KnownTexts, damaged: boolean): fc.Arbitrary<OperationInput> {
  const body = operation.body === null ? fc.constant(undefined) : ofSchema(shapeOf(operation.body), known, damaged)
  return (
    fc
      .tuple(ofSchema(shapeOf(operation.params), known, false), validOf(shapeOf(operation.query), known, damaged), body)
      .map(([params, query, body]) => ({ target: targetOf(operation.path, params, query), body }))
      // The runtime refuses longer ones before anybody reads them.
      .filter(({ target }) => target.length <= limits.urlCharsMax)
  )
}

const shapeOf = (schema: TSchema): SchemaShape => schema as unknown as SchemaShape

function targetOf(template: string, params: unknown, query: unknown): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((params as Record<string, unknown>)[name]).toWellFormed()),
  )
  const search = Object.entries((query ?? {}) as Record<string, unknown>)
    .map(([name, value]) => {
      const text = typeof value === "object" ? JSON.stringify(value) : String(value)
      return `${name}=${encodeURIComponent(text.toWellFormed())}`
    })
    .join("&")
  return search === "" ? path : `${path}?${search}`
}

const hostile = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    0,
    -1,
    1e308,
    "",
    "\0",
    "\ud800",
    [],
    [[]],
    {},
    { $ne: null },
    true,
    "x".repeat(5_000),
  ),
  fc.jsonValue({ maxDepth: 2 }),
)

function ofSchema(schema: SchemaShape, known: KnownTexts, damaged: boolean): fc.Arbitrary<unknown> {
  const valid = validOf(schema, known, damaged)
  return damaged ? fc.oneof({ weight: 12, arbitrary: valid }, { weight: 1, arbitrary: hostile }) : valid
}

function validOf(schema: SchemaShape, known: KnownTexts, damaged: boolean): fc.Arbitrary<unknown> {
  if ("const" in schema) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => ofSchema(one, known, damaged)))
  switch (schema.type) {
    case "string":
      return textOf(schema, known)
    case "integer":
      return numberOf(schema)
    case "number":
      return fc.oneof(
        numberOf(schema),
        fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true }),
      )
    case "boolean":
      return fc.boolean()
    case "null":
      return fc.constant(null)
    case "array":
      return fc.array(ofSchema(schema.items ?? {}, known, damaged), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? bounds.itemsMax, bounds.itemsMax)),
      })
    case "object":
      return objectOf(schema, known, damaged)
    case undefined:
      return fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(...known))
    default:
      throw new Error(`no value of type ${schema.type} is known here`)
  }
}

const numberOf = ({ minimum = -1_000, maximum = 1_000_000 }: SchemaShape): fc.Arbitrary<number> =>
  fc.oneof(fc.constantFrom(minimum, maximum), fc.integer({ min: Math.ceil(minimum), max: Math.floor(maximum) }))

function textOf({ pattern, minLength = 0, maxLength }: SchemaShape, known: KnownTexts): fc.Arbitrary<string> {
  const charsMax = Math.max(minLength, Math.min(maxLength ?? bounds.charsMax, bounds.charsMax))
  const form = pattern === undefined ? null : new RegExp(pattern)
  const fits = (text: string): boolean =>
    text.length >= minLength && text.length <= (maxLength ?? Number.POSITIVE_INFINITY) && (form?.test(text) ?? true)
  const made =
    form === null
      ? fc.string({ unit: "grapheme", minLength, maxLength: charsMax })
      : fc.stringMatching(form, { size: "small" }).filter(fits)
  const fitting = known.filter(fits)
  return fitting.length === 0
    ? made
    : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...fitting) }, { weight: 1, arbitrary: made })
}

function objectOf(schema: SchemaShape, known: KnownTexts, damaged: boolean): fc.Arbitrary<unknown> {
  const { properties = {}, patternProperties = {}, required = [] } = schema
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, of]) => [name, ofSchema(of, known, damaged)]),
  )
  const named = fc.record(members, { requiredKeys: required.filter((name) => Object.hasOwn(members, name)) })
  const [[pattern, ofMap] = []] = Object.entries(patternProperties)
  if (pattern === undefined || ofMap === undefined) return named
  const keys = textOf({ pattern, minLength: 1 }, known)
  const map = fc.array(fc.tuple(keys, ofSchema(ofMap, known, damaged)), { maxLength: bounds.membersMax })
  return fc.tuple(named, map).map(([named, entries]) => ({ ...Object.fromEntries(entries), ...(named as object) }))
}
