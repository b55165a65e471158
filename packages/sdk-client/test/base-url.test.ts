import { afterEach, expect, test } from "bun:test"
import { baseUrlOf, socketBaseUrlOf } from "../src/base-url.ts"

const environment = process.env.WEIR_URL
const global = globalThis as { location?: unknown }

afterEach(() => {
  if (environment === undefined) delete process.env.WEIR_URL
  else process.env.WEIR_URL = environment
  delete global.location
})

test("the option wins, then WEIR_URL, then the page's origin, then this machine", () => {
  delete process.env.WEIR_URL
  expect(baseUrlOf()).toBe("http://127.0.0.1:3030")
  global.location = { origin: "https://app.example" }
  expect(baseUrlOf()).toBe("https://app.example")
  process.env.WEIR_URL = "http://weir.example:8080"
  expect(baseUrlOf()).toBe("http://weir.example:8080")
  expect(baseUrlOf("https://gate.example/weir/")).toBe("https://gate.example/weir")
})

test("an origin that is no web address is passed over", () => {
  delete process.env.WEIR_URL
  global.location = { origin: "null" }
  expect(baseUrlOf()).toBe("http://127.0.0.1:3030")
})

test.each(["gate.example", "ftp://gate.example", "javascript:alert(1)"])("%s is refused", (text) => {
  expect(() => baseUrlOf(text)).toThrow(TypeError)
})

test("sockets use the matching scheme", () => {
  expect(socketBaseUrlOf("https://gate.example/weir")).toBe("wss://gate.example/weir")
  expect(socketBaseUrlOf("http://127.0.0.1:3030")).toBe("ws://127.0.0.1:3030")
})
