import { expect, test } from "bun:test"
import { seenIn } from "./seen.ts"

const pattern = /\/call\/([^/]+)\/([^/]+)$/
const request = (path: string, at: string, status = 200) => ({ path, at, status, operation: "GetCall", user_id: null })

test("each thing once, the latest first", () => {
  const seen = seenIn(
    [
      request("/api/v2/video/call/default/a", "2030-01-01T00:00:01.000Z"),
      request("/api/v2/video/call/default/b", "2030-01-01T00:00:02.000Z"),
      request("/api/v2/video/call/default/a", "2030-01-01T00:00:03.000Z"),
    ],
    pattern,
  )
  expect(seen.map(({ name, at }) => [name, at])).toEqual([
    ["default:a", "2030-01-01T00:00:03.000Z"],
    ["default:b", "2030-01-01T00:00:02.000Z"],
  ])
})

test("what was refused, or cannot be read, is not seen", () => {
  const at = "2030-01-01T00:00:01.000Z"
  const paths = [request("/api/v2/video/call/default/a", at, 404), request("/api/v2/video/call/default/%E0", at)]
  expect(seenIn([...paths, request("/api/v2/users", at)], pattern)).toEqual([])
  expect(seenIn([request("/api/v2/video/call/default/a%20b", at)], pattern)[0]?.id).toBe("a b")
})
