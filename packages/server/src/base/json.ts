// What JSON values are, and JSON as it is stored: bounded in bytes, because a bound on members alone says nothing about
// their size.

import { inputError } from "@weir/protocol"

/** JSON text of a value. Throws inputError (400/4) that names the field when it has more than `bytesMax` bytes. */
export function jsonWithin(field: string, value: unknown, bytesMax: number): string {
  const json = JSON.stringify(value)
  if (Buffer.byteLength(json) > bytesMax) {
    throw inputError(`${field} is larger than ${bytesMax} bytes`, { [field]: `at most ${bytesMax} bytes` })
  }
  return json
}

/** Whether a value is an object as JSON has them: with members, and no array. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
