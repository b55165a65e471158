import { expect, test } from "bun:test"
import { isLoopbackHost, isOwnOrigin } from "./own-page.ts"

test("case 56: an origin is ours when the settings name it, or when the browser asked that very host", () => {
  const named = "https://weir.example.com"
  for (const [origin, host, publicOrigin] of [
    [named, "10.0.0.5:3030", named],
    ["https://weir.example.com", "weir.example.com", null],
    ["https://weir.example.com", "weir.example.com:443", null],
    ["https://weir.example.com:8443", "Weir.Example.com:8443", null],
    ["http://localhost:3030", "localhost:3030", null],
    ["http://localhost:3030", "localhost:3030", named],
    ["http://localhost", "localhost:80", null],
    ["http://127.0.0.1:3030", "127.0.0.1:3030", null],
    ["http://[::1]:3030", "[::1]:3030", null],
    ["http://weir.localhost:3030", "weir.localhost:3030", null],
  ] as const) {
    expect({ origin, own: isOwnOrigin(origin, host, publicOrigin) }).toEqual({ origin, own: true })
  }
  for (const [origin, host, publicOrigin] of [
    ["https://evil.example", "weir.example.com", null],
    ["https://evil.example", "weir.example.com", named],
    ["https://weir.example.com.evil.example", "weir.example.com", named],
    ["https://weir.example.com:444", "weir.example.com", named],
    // Whoever sits on the line can make a page of the same name without TLS.
    ["http://weir.example.com", "weir.example.com", null],
    ["http://weir.example.com", "weir.example.com", named],
    ["http://localhost:3031", "localhost:3030", null],
    ["http://localhost.evil.example", "localhost.evil.example", null],
    ["http://127.0.0.1.evil.example", "127.0.0.1.evil.example", null],
    ["null", "null", null],
    ["", "", null],
    ["https://weir.example.com/", "weir.example.com", null],
    ["https://user@weir.example.com", "weir.example.com", null],
    ["https://weir.example.com", null, null],
    ["chrome-extension://abc", "abc", null],
  ] as const) {
    expect({ origin, own: isOwnOrigin(origin, host, publicOrigin) }).toEqual({ origin, own: false })
  }
})

test("this machine has the names that browsers treat as secure", () => {
  for (const name of ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
    expect(isLoopbackHost(name)).toBe(true)
  for (const name of ["localhost.com", "xlocalhost", "10.0.0.1", "[::2]", "128.0.0.1", ""]) {
    expect(isLoopbackHost(name)).toBe(false)
  }
})
