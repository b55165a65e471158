import { describe, expect, test } from "bun:test"
import { apiErrorOf, frameErrorOf, retryAfterSecondsOf } from "../src/errors.ts"

const nowMs = Date.parse("2030-01-01T00:00:00Z")

describe("an error answer", () => {
  test("is read with every field of the envelope", () => {
    const body = {
      code: 4,
      message: 'UpdateUsers failed with error: "users.0.name is too long"',
      StatusCode: 400,
      duration: "0.10ms",
      more_info: "http://127.0.0.1:3030/errors/4",
      details: [7],
      exception_fields: { "users.0.name": "is too long" },
      unrecoverable: true,
    }
    const headers = new Headers({ "x-decision-id": "d-1", "retry-after": "3" })
    const error = apiErrorOf(400, headers, JSON.stringify(body), nowMs)
    expect(error).toBeInstanceOf(Error)
    expect({ ...error, message: error.message }).toEqual({
      name: "WeirApiError",
      status: 400,
      code: 4,
      message: body.message,
      reason: "users.0.name is too long",
      retryAfterSeconds: 3,
      moreInfo: body.more_info,
      decisionId: "d-1",
      fields: { "users.0.name": "is too long" },
      details: [7],
      unrecoverable: true,
    })
  })

  test.each(["<html>502 Bad Gateway</html>", "", "null", "[]", '"no"', '{"code":"4"}'])(
    "that is no envelope (%s) keeps its status and gets code 0",
    (body) => {
      const error = apiErrorOf(502, new Headers(), body, nowMs)
      expect([error.status, error.code, error.moreInfo, error.retryAfterSeconds]).toEqual([502, 0, null, null])
      expect(error.message).toContain("502")
    },
  )

  test("a reason may hold quotes and line breaks; a message without the frame is its own reason", () => {
    const reasonOf = (message: string) => frameErrorOf({ code: 5, message, StatusCode: 401 }).reason
    expect(reasonOf('Connect failed with error: "a "b"\nc"')).toBe('a "b"\nc')
    expect(reasonOf("token invalid")).toBe("token invalid")
  })

  test.each([undefined, null, "token invalid", {}])(
    "a frame's error that is %p becomes an error all the same",
    (value) => {
      expect(frameErrorOf(value).code).toBe(0)
    },
  )
})

test.each([
  ["7", 7],
  [" 0 ", 0],
  ["Tue, 01 Jan 2030 00:01:00 GMT", 60],
  ["Mon, 31 Dec 2029 00:00:00 GMT", 0],
  ["soon", null],
  ["", null],
  [null, null],
])("Retry-After %p is %p seconds", (header, seconds) => {
  expect(retryAfterSecondsOf(header, nowMs)).toBe(seconds)
})
