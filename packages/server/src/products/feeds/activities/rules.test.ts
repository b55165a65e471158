import { describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import fc from "fast-check"
import {
  beyondAll,
  changedContent,
  cursorOf,
  isSameRequest,
  newActivity,
  newestPlaces,
  planMerge,
  positionFrom,
  positionOf,
} from "./rules.ts"

describe("merging", () => {
  // Positions by feed, as many feeds may hold one activity.
  const feeds = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 12 }), { maxLength: 40 })
  const position = (time: number): string => positionOf({ created_at: time, id: `a${time}` })

  test("reads no more than it plans to, and gets what a full merge gets", () => {
    fc.assert(
      fc.property(feeds, fc.integer({ min: 1, max: 15 }), fc.integer({ min: 0, max: 61 }), (times, count, before) => {
        const limit = position(before)
        const held = times.map((list) =>
          list
            .map(position)
            .filter((at) => at < limit)
            .sort()
            .reverse(),
        )
        const followed = held.map((list, index) => ({ feed: `user:${index}`, ownerId: "o", newest: list[0] ?? null }))
        const plan = planMerge(followed, count)
        const read = plan.feeds.flatMap((feed) => {
          const list = held[Number(feed.slice("user:".length))] as string[]
          return list.filter((at) => plan.from === null || at >= plan.from).slice(0, count)
        })
        const merged = newestPlaces(
          read.map((at) => ({ position: at, activity_id: at })),
          count,
        )
        const full = [...new Set(held.flat())].sort().reverse().slice(0, count)
        expect(merged.map((place) => place.position)).toEqual(full)
      }),
    )
  })

  test("leaves feeds alone that can have no share", () => {
    const followed = [5, 9, 7, 1].map((time) => ({ feed: `user:${time}`, ownerId: "o", newest: position(time) }))
    expect(planMerge(followed, 2)).toEqual({ feeds: ["user:9", "user:7"], from: position(7) })
    expect(planMerge(followed, 9).feeds).toHaveLength(4)
    expect(planMerge([{ feed: "user:x", ownerId: "o", newest: null }], 2)).toEqual({ feeds: [], from: null })
  })
})

describe("cursors", () => {
  test("come back as they went out, and sort as times do", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 0, max: 4e12 }), (a, b) => {
        const [one, other] = [positionOf({ created_at: a, id: "x" }), positionOf({ created_at: b, id: "x" })]
        expect(one < other).toBe(a < b)
        expect(one < beyondAll).toBe(true)
        expect(positionFrom(cursorOf(one))).toBe(one)
      }),
    )
    expect([positionFrom(undefined), positionFrom("")]).toEqual([beyondAll, beyondAll])
  })

  test.each(["x", "AAAA", "a b", cursorOf("1:a"), cursorOf("000000000000001:"), cursorOf(`${"0".repeat(15)}:a\0`)])(
    "%p is none of ours",
    (cursor) => {
      expect(() => positionFrom(cursor)).toThrow(ApiError)
    },
  )
})

describe("content", () => {
  const row = newActivity(1, { type: "post", feeds: ["user:a"], custom: { a: 1 } }, "id", "alice", 5)

  test("a request sent again is the same at another time, and not with other words", () => {
    expect(isSameRequest(row, { ...row, created_at: 9, updated_at: 9 })).toBe(true)
    expect(isSameRequest(row, { ...row, user_id: "bob" })).toBe(false)
    expect(isSameRequest(row, { ...row, text: "x" })).toBe(false)
    expect(isSameRequest({ ...row, edited_at: 7 }, row)).toBe(false)
    expect(isSameRequest({ ...row, deleted_at: 7 }, row)).toBe(false)
  })

  test("custom data is reached into without touching prototypes", () => {
    const changed = changedContent(row, { "custom.constructor.prototype.x": 1, "custom.toString": 2 }, [])
    expect(JSON.parse(changed.custom)).toEqual({ a: 1, constructor: { prototype: { x: 1 } }, toString: 2 } as never)
    expect(({} as Record<string, unknown>).x).toBeUndefined()
    expect(() => changedContent(row, { "custom.__proto__.x": 1 }, [])).toThrow(ApiError)
  })

  test("unsetting what is not there changes nothing", () => {
    expect(changedContent(row, {}, ["custom.b.c", "text"]).custom).toBe(row.custom)
  })
})
