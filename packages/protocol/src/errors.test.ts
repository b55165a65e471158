import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { closeCodeOf, mayReconnect } from "./close-codes.ts"
import { ApiError, type ErrorName, errorCatalogue, errorEnvelope } from "./errors.ts"

/** Code and status of each name: the numbers are the wire's and never change. */
const published: [ErrorName, number, number][] = [
  ["unavailable", -3, 503],
  ["internal", -1, 500],
  ["accessKey", 2, 401],
  ["input", 4, 400],
  ["authentication", 5, 401],
  ["rateLimit", 9, 429],
  ["notFound", 16, 404],
  ["notAllowed", 17, 403],
  ["eventNotSupported", 18, 400],
  ["messageTooLong", 20, 400],
  ["nestingLevel", 21, 400],
  ["payloadTooBig", 22, 413],
  ["tokenExpired", 40, 401],
  ["tokenNotValidYet", 41, 401],
  ["tokenBeforeIssuedAt", 42, 401],
  ["tokenSignature", 43, 401],
  ["connectionNotFound", 46, 404],
  ["appSuspended", 99, 403],
]

test("the table covers the catalogue", () => {
  expect(published.map(([name]) => name).sort()).toEqual((Object.keys(errorCatalogue) as ErrorName[]).sort())
})

for (const [name, code, status] of published) {
  test(`${name}: code ${code}, HTTP ${status}, envelope and page`, () => {
    const envelope = errorEnvelope(new ApiError(name, "why"), "SendMessage", "0.10ms", "http://host/errors/x")
    expect(envelope).toMatchObject({
      code,
      StatusCode: status,
      message: 'SendMessage failed with error: "why"',
      duration: "0.10ms",
      more_info: "http://host/errors/x",
      details: [],
    })
    const page = join(import.meta.dir, `../../../docs/errors/${code}.md`)
    expect(existsSync(page)).toBe(true)
    expect(readFileSync(page, "utf8")).toStartWith(`# ${code} · ${errorCatalogue[name].title}`)
  })
}

test("only a new token or a pause brings a client back; the close code says so", () => {
  expect(closeCodeOf("tokenExpired")).toBe(4040)
  expect(closeCodeOf("tokenSignature")).toBe(4543)
  expect(closeCodeOf("appSuspended")).toBe(4599)
  for (const [name] of published) {
    expect(mayReconnect(closeCodeOf(name))).toBe(errorCatalogue[name].retry !== "never")
  }
  expect([1000, 1006, 1012, 4000, 4001, 4003, 4008].map(mayReconnect)).toEqual([false, ...Array(6).fill(true)])
})

test("an internal text never reaches the envelope", () => {
  const error = new ApiError("input", "public", { internal: "private", cause: new Error("cause") })
  expect(JSON.stringify(errorEnvelope(error, "X", "", ""))).not.toContain("private")
})
