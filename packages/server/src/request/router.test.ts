import { expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import fc from "fast-check"
import { createRouter } from "./router.ts"

const router = createRouter<string>()
router.add("POST", "/api/v2/chat/channels/{type}/query", "distinct")
router.add("POST", "/api/v2/chat/channels/{type}/{id}", "update")
router.add("POST", "/api/v2/chat/channels/{type}/{id}/query", "get-or-create")
router.add("GET", "/api/v2/chat/messages/{id}", "get")
router.add("POST", "/api/v2/imports/v2", "v2")
router.add("POST", "/api/v2/imports/{id}/x", "x")

test("literal segments win over parameters, and a dead end falls back to the parameter", () => {
  expect(router.find("POST", "/api/v2/chat/channels/messaging/query")?.value).toBe("distinct")
  expect(router.find("POST", "/api/v2/chat/channels/messaging/general")?.value).toBe("update")
  expect(router.find("POST", "/api/v2/chat/channels/messaging/query/query")?.value).toBe("get-or-create")
  expect(router.find("POST", "/api/v2/imports/v2/x")?.params).toEqual({ id: "v2" })
})

test("parameters are decoded once and keep their colons", () => {
  expect(router.find("GET", "/api/v2/chat/messages/user:a")?.params).toEqual({ id: "user:a" })
  expect(router.find("GET", "/api/v2/chat/messages/a%2Fb%2520c")?.params).toEqual({ id: "a/b%20c" })
})

test("case 34: other spellings of a path reach nothing", () => {
  for (const path of [
    "//api/v2/chat/messages/a",
    "/api/v2/chat//messages/a",
    "/api/v2/chat/messages/a/",
    "/api/v2/chat/messages/",
    "/API/v2/chat/messages/a",
    "/api/v2/chat/messages/../messages/a",
    "/api/v2/%63hat/messages/a",
  ]) {
    expect(router.find("GET", path)).toBeNull()
  }
  expect(router.find("get", "/api/v2/chat/messages/a")).toBeNull()
})

test("a broken escape is the caller's error", () => {
  expect(() => router.find("GET", "/api/v2/chat/messages/%E0%A4%A")).toThrow(ApiError)
})

test("two routes cannot answer at one address", () => {
  expect(() => router.add("GET", "/api/v2/chat/messages/{other}", "again")).toThrow("two routes")
})

test("any path either matches, misses, or is refused as input", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom("api", "v2", "chat", "messages", "%", ".."))),
      (parts) => {
        try {
          const match = router.find("GET", `/${parts.join("/")}`)
          if (match !== null) expect(Object.values(match.params).every((value) => typeof value === "string")).toBe(true)
        } catch (error) {
          expect((error as ApiError).code).toBe(4)
        }
      },
    ),
  )
})
