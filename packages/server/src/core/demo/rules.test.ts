import { describe, expect, test } from "bun:test"
import { type DemoApp, isLocalCaller, isSameOrigin, lifetimeOf, scopesOf, whyOff } from "./rules.ts"

const headers = (given: Record<string, string> = {}) => new Headers({ host: "localhost:3030", ...given })
const local = { address: "127.0.0.1", headers: headers() }
const app: DemoApp = { environment: "development", suspended: false, canSign: true, allowsUserTokens: true }

describe("who counts as local", () => {
  const callers: [name: string, address: string, given: Record<string, string>, isLocal: boolean][] = [
    ["this machine", "127.0.0.1", {}, true],
    ["by IPv6", "::1", { host: "[::1]:3030" }, true],
    ["by a name below localhost", "::ffff:127.0.0.1", { host: "weir.localhost" }, true],
    ["another machine", "192.0.2.7", {}, false],
    ["another machine that claims a local name", "10.0.0.8", { host: "127.0.0.1" }, false],
    ["through a proxy that says so", "127.0.0.1", { "x-forwarded-for": "127.0.0.1" }, false],
    ["through a proxy of another kind", "127.0.0.1", { via: "1.1 proxy" }, false],
    ["a foreign name that was pointed here", "127.0.0.1", { host: "attacker.example" }, false],
    ["a foreign name that begins like this machine's", "127.0.0.1", { host: "127.0.0.1.attacker.example" }, false],
  ]
  for (const [name, address, given, isLocal] of callers) {
    test(name, () => expect(isLocalCaller({ address, headers: headers(given) })).toBe(isLocal))
  }
})

describe("who counts as the same origin", () => {
  const asked: [name: string, given: Record<string, string>, isSame: boolean][] = [
    ["the browser says so", { "sec-fetch-site": "same-origin" }, true],
    [
      "the browser says that it is another site",
      { "sec-fetch-site": "cross-site", origin: "http://localhost:3030" },
      false,
    ],
    ["a sibling of the site", { "sec-fetch-site": "same-site" }, false],
    ["an older browser, by its origin", { origin: "http://localhost:3030" }, true],
    ["another port", { origin: "http://localhost:3031" }, false],
    ["an opaque origin", { origin: "null" }, false],
    ["nobody says anything", {}, false],
  ]
  for (const [name, given, isSame] of asked) test(name, () => expect(isSameOrigin(headers(given))).toBe(isSame))
})

test("the demo is off where the setting, the place or the app says so, and says what to do", () => {
  const stranger = { address: "192.0.2.7", headers: headers() }
  expect(whyOff("local", local, app)).toBeNull()
  expect(whyOff("on", stranger, app)).toBeNull()
  expect(whyOff("off", local, app)?.why).toContain("switch the demo off")
  expect(whyOff("local", stranger, app)?.remedy).toContain("WEIR_DEMO=on")
  for (const access of ["on", "local"] as const) {
    expect(whyOff(access, local, { ...app, environment: "production" })?.why).toContain("production")
    expect(whyOff(access, local, { ...app, suspended: true })?.why).toContain("suspended")
    expect(whyOff(access, local, { ...app, canSign: false })?.why).toContain("HS256")
    expect(whyOff(access, local, { ...app, allowsUserTokens: false })?.remedy).toContain("policy")
    expect(whyOff(access, local, null)?.why).toContain("no API key")
  }
})

test("a narrowed token may read the demo's own things and nothing else; the others are whole", () => {
  for (const [pattern, actions] of Object.entries(scopesOf("demo-user-1", "narrow") ?? {})) {
    expect(pattern).toMatch(/^[a-z]+:[a-z]+:(weir-demo|weir-demo-\*|demo-user-[12])$/)
    expect(actions).toEqual(["read"])
  }
  expect(Object.keys(scopesOf("demo-user-1", "narrow") ?? {})).toHaveLength(7)
  expect([scopesOf("demo-user-1", "full"), scopesOf("demo-user-1", "short")]).toEqual([null, null])
})

test("a token lives no longer than the policy allows", () => {
  expect([lifetimeOf("full", null), lifetimeOf("full", 60), lifetimeOf("short", 86_400)]).toEqual([300, 60, 10])
})
