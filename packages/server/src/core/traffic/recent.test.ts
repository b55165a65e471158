import { beforeEach, describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { limits } from "./limits.ts"
import { createRecent, type Recent, type RecentFilter } from "./recent.ts"

const appId = 7
const start = 1_800_000_000_000
const everything: RecentFilter = { status: null, apiKey: null, userId: null, operation: null }
let recent: Recent
beforeEach(() => {
  recent = createRecent()
})

interface Given {
  at?: number
  app?: number
  status?: number
  url?: string
  operation?: string
}
const answer = ({
  at = start,
  app = appId,
  status = 200,
  url = "http://x/api/v2/app",
  operation = "GetApp",
}: Given = {}) => {
  const refusal = status < 400 ? null : { error: new ApiError("notFound", "gone"), decisionId: "why" }
  recent.seat(app, at, refusal !== null)?.record({
    at,
    operation,
    method: "GET",
    url,
    status,
    refusal,
    durationMs: 1.23456,
    apiKey: "abcdefgh1234",
    caller: null,
    client: null,
    address: "192.0.2.1",
  })
}
const find = (
  options: { afterSeq?: number | null; limit?: number; filter?: Partial<RecentFilter>; app?: number } = {},
) => {
  const { afterSeq = null, limit = 50, filter = {}, app = appId } = options
  return recent.find({ appId: app, filter: { ...everything, ...filter }, afterSeq, limit })
}

describe("latest requests", () => {
  test("newest first, and each app its own", () => {
    answer({ operation: "First" })
    answer({ operation: "Second", at: start + 1 })
    answer({ operation: "Elsewhere", app: 8 })
    expect(find().requests.map(({ operation }) => operation)).toEqual(["Second", "First"])
    expect(find({ app: 8 }).requests).toHaveLength(1)
    expect(find({ app: 9 })).toEqual({ requests: [], lastSeq: 0, missed: 0 })
  })

  test("the query stays out, whatever stands in it, and a long path is cut", () => {
    answer({ url: "https://host/api/v2/connect?authorization=secret&api_key=k" })
    answer({ url: `https://host/${"a".repeat(2_000)}?x=y` })
    const [long, short] = find().requests
    expect(short?.path).toBe("/api/v2/connect")
    expect(long?.path).toHaveLength(limits.pathCharsMax)
    expect(JSON.stringify(find())).not.toMatch(/secret|x=y/)
  })

  test("statuses match as they are or by their class", () => {
    answer()
    answer({ status: 404 })
    expect(find({ filter: { status: "404" } }).requests).toHaveLength(1)
    expect(find({ filter: { status: "4xx" } }).requests).toHaveLength(1)
    expect(find({ filter: { status: "2xx" } }).requests).toHaveLength(1)
    expect(find({ filter: { status: "403" } }).requests).toHaveLength(0)
  })

  test("whoever follows hears each request once", () => {
    answer()
    const first = find()
    answer({ operation: "Later" })
    const second = find({ afterSeq: first.lastSeq })
    expect(second.requests.map(({ operation }) => operation)).toEqual(["Later"])
    expect(find({ afterSeq: second.lastSeq })).toMatchObject({ requests: [], missed: 0 })
  })

  test("in a busy second only some are kept, refusals among them, and the rest is counted as missed", () => {
    answer({ at: start - 1_000 })
    const { lastSeq } = find()
    for (let n = 0; n < limits.recordedPerSecondMax + 25; n += 1) answer()
    answer({ status: 404 })
    const { requests, missed } = find({ afterSeq: lastSeq, limit: 1_000 })
    expect(requests).toHaveLength(limits.recordedPerSecondMax + 1)
    expect(requests[0]?.status).toBe(404)
    expect(missed).toBe(25)
    answer({ at: start + 1_000 })
    expect(find({ limit: 1 }).requests[0]?.at).toBe(start + 1_000)
  })

  test("memory is bounded, and what was pushed out is counted as missed", () => {
    answer()
    const { lastSeq } = find()
    const all = limits.recentPerAppMax + 150
    for (let n = 0; n < all; n += 1) answer({ at: start + n * 20, operation: `Op${n}` })
    const { requests, missed } = find({ afterSeq: lastSeq, limit: 5_000 })
    expect(requests).toHaveLength(limits.recentPerAppMax)
    expect(requests[0]?.operation).toBe(`Op${all - 1}`)
    expect(requests.at(-1)?.operation).toBe("Op150")
    expect(missed).toBe(150)
    expect(find({ afterSeq: lastSeq, limit: 10 }).missed).toBe(all - 10)
  })

  test("an app that was forgotten goes on above the places that it had", () => {
    answer()
    const { lastSeq } = find()
    for (let app = 100; app < 100 + 2 * limits.recentAppsMax; app += 1) answer({ app })
    expect(find().requests).toHaveLength(0)
    answer({ at: start + 1_000, operation: "Back" })
    expect(find({ afterSeq: lastSeq })).toMatchObject({ requests: [{ operation: "Back" }], missed: 0 })
  })
})
