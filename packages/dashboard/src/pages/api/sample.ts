// Values that fit a schema, to begin with, and how a schema is said in a few words. Pure.

import type { Schema } from "./document.ts"

/** Deeper than this a sample stays empty: no one writes so much by hand. */
const depthMax = 5

export interface SampleOptions {
  /** Also what may be left out. */
  readonly optional: boolean
  /** For times. */
  readonly now: Date
}

/** A value that fits. What the schema leaves open is a short text, an empty object, or one of a kind. */
export function sampleOf(schema: Schema, options: SampleOptions, depth = 0): unknown {
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.anyOf !== undefined) {
    const chosen = schema.anyOf.find((one) => one.type !== "null") ?? schema.anyOf[0]
    return chosen === undefined ? null : sampleOf(chosen, options, depth)
  }
  switch (schema.type) {
    case "object":
      return objectOf(schema, options, depth)
    case "array":
      return schema.items !== undefined && depth < depthMax && (options.optional || (schema.minItems ?? 0) > 0)
        ? [sampleOf(schema.items, options, depth + 1)]
        : []
    case "integer":
    case "number":
      return Math.min(Math.max(1, schema.minimum ?? 1), schema.maximum ?? Number.POSITIVE_INFINITY)
    case "boolean":
      return false
    case "null":
      return null
    case "string":
      return isTime(schema) ? options.now.toISOString() : "text"
    default:
      return {}
  }
}

const isTime = ({ description }: Schema): boolean => description?.startsWith("RFC 3339") === true

function objectOf(schema: Schema, options: SampleOptions, depth: number): Record<string, unknown> {
  if (depth >= depthMax) return {}
  const required = new Set(schema.required)
  const members = Object.entries(schema.properties ?? {}).filter(([name]) => options.optional || required.has(name))
  // Names that are the caller's own: one of them.
  const [named] = Object.values(schema.patternProperties ?? {})
  const isNamed = named?.type !== undefined && ((schema.minProperties ?? 0) > 0 || options.optional)
  return {
    ...Object.fromEntries(members.map(([name, member]) => [name, sampleOf(member, options, depth + 1)])),
    ...(isNamed ? { text: sampleOf(named, options, depth + 1) } : {}),
  }
}

/** «text», «list of numbers», «user or server» of a schema. */
export function typeText(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" or ")
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeText))].join(" or ")
  switch (schema.type) {
    case "object":
      return "object"
    case "array":
      return schema.items === undefined ? "list" : `list of ${typeText(schema.items)}`
    case "string":
      return isTime(schema) ? "time" : "text"
    default:
      return schema.type ?? "any value"
  }
}

/** The words that a value may be; null where it is free. */
export function choicesOf(schema: Schema): string[] | null {
  if (schema.type === "boolean") return ["true", "false"]
  if (schema.enum !== undefined) return schema.enum.map(String)
  const choices = schema.anyOf?.map((one) => one.const)
  return choices === undefined || choices.some((one) => typeof one !== "string") ? null : (choices as string[])
}
