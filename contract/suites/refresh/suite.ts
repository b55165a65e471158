// What every client must do about tokens (see README.md). Each implementation runs this suite in one call. The server is
// a real Weir, the token endpoint a real HTTP server; only the device's time is bent.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, spyOn, test } from "bun:test"
import {
  startTestServer,
  type TestServer,
  testAdminToken,
  testApiKey,
  userToken,
} from "../../../packages/server/src/testing.ts"
import { type EndpointFault, startEndpoint, type TokenEndpoint } from "./endpoint.ts"
import { type Gateway, startGateway } from "./gateway.ts"
import { type SimulatedTabs, simulateTabs } from "./simulated-tabs.ts"
import { type BentTime, bentTime } from "./times.ts"

/** Where a client has its tokens from: an endpoint that answers POST with `{token}`, or a text for good. */
export type TokenFrom = { readonly url: string } | { readonly text: string }

export interface RefreshClient {
  connect(userId: string, token: TokenFrom): Promise<unknown>
  disconnect(): Promise<void>
  /** Gives the connected user another token. */
  setToken(token: TokenFrom): Promise<void>
  /** Any read that needs the user's token. */
  read(): Promise<unknown>
  readonly state: "idle" | "connecting" | "online" | "reconnecting" | "closed" | "failed"
  /** Id of the live socket. */
  readonly connectionId: string | null
  /** With what the client gave up for good, as the app was told. */
  readonly failures: readonly unknown[]
  /** How often the app was told that the device's clock is wrong. */
  readonly skewsTold: number
}

export interface ClientSettings {
  readonly apiKey: string
  readonly baseUrl: string
  readonly time: BentTime
  /** The other tabs; null: this page is alone. */
  readonly tabs: SimulatedTabs | null
}

export interface RefreshSubject {
  open(settings: ClientSettings): RefreshClient
  /** An error's catalogue number, or the client's name for a reason of its own. */
  reasonOf(error: unknown): string
  /** Questions to the provider within a minute because of refused tokens. */
  readonly replacementsPerMinuteMax: number
}

/** Part of their time that waits take where a test is about failures, not about the clock. */
const hasty = 1 / 40
/** Long enough for a loop to show. */
const quietMs = 250

const claimsOf = (token: string): { exp: number; user_id: string; jti?: string } =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())

async function until(what: string, holds: () => boolean, withinMs = 5_000): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`)
    await Bun.sleep(5)
  }
}

/** Times in a token are whole seconds; a test that counts them begins when one does. */
const untilSecondBegins = () => Bun.sleep(1_000 - (Date.now() % 1_000))

export function refreshSuite(name: string, subject: RefreshSubject): void {
  setDefaultTimeout(20_000)
  let weir: TestServer
  let endpoint: TokenEndpoint
  let gateway: Gateway
  let users = 0
  let user = ""
  const clients: RefreshClient[] = []

  beforeAll(async () => {
    weir = await startTestServer()
  })
  afterAll(async () => {
    await weir?.close()
  })
  beforeEach(async () => {
    users += 1
    user = `refresh-${users}`
    endpoint = await startEndpoint()
    gateway = startGateway(weir.url)
  })
  // Whatever a test was about: nobody ever came in without a token.
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.disconnect()))
    await gateway.close()
    await endpoint.close()
    expect(gateway.socketTokens.filter((token) => token === null)).toEqual([])
    expect(gateway.requests.filter(({ token, authType }) => token === null || authType !== "jwt")).toEqual([])
  })

  const open = (time = bentTime({ haste: hasty }), tabs: SimulatedTabs | null = null): RefreshClient => {
    const client = subject.open({ apiKey: testApiKey, baseUrl: gateway.url, time, tabs })
    clients.push(client)
    return client
  }
  const fromEndpoint = (of = user): TokenFrom => ({ url: `${endpoint.url}?user=${of}` })
  const online = async (client: RefreshClient): Promise<RefreshClient> => {
    await client.connect(user, fromEndpoint())
    return client
  }
  const refusalOf = (outcome: Promise<unknown>): Promise<string> =>
    outcome.then(
      () => "fulfilled",
      (error) => subject.reasonOf(error),
    )
  /** Nothing is asked and no socket is opened any more. */
  const expectQuiet = async (): Promise<void> => {
    const before = [endpoint.asked, gateway.socketTokens.length]
    await Bun.sleep(quietMs)
    expect([endpoint.asked, gateway.socketTokens.length]).toEqual(before)
  }
  /** Ends the tokens that were issued more than five seconds ago. */
  const revoke = async (): Promise<void> => {
    const admin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null }
    const { body } = await weir.call("GET", "/api/admin/v1/apps", admin)
    const before = new Date(Date.now() - 5_000).toISOString()
    const path = `/api/admin/v1/apps/${body.apps[0].id}/revocations`
    const { status } = await weir.call("POST", path, { ...admin, body: { user_id: user, before } })
    expect(status).toBeLessThan(300)
  }

  describe(`token refresh: ${name}`, () => {
    describe("the first connect settles", () => {
      test("an expired token from the endpoint is replaced at once (A10, A13)", async () => {
        endpoint.life = -5
        const client = open()
        const outcome = client.connect(user, fromEndpoint())
        await until("it asked", () => endpoint.asked === 1)
        endpoint.life = 3600
        await outcome
        expect([endpoint.asked, gateway.socketTokens.length, client.state]).toEqual([2, 2, "online"])
      })

      test("an expired token given as text is refused once, with 40 (A7, A14)", async () => {
        const text = userToken(user, { iat: 1_600_000_000, exp: 1_600_000_060 })
        expect(await refusalOf(open().connect(user, { text }))).toBe("40")
        await expectQuiet()
        expect(gateway.socketTokens).toEqual([text])
      })

      test.each<[EndpointFault, string]>([
        ["error", "token_provider"],
        ["reset", "token_provider"],
        ["garbage", "token_provider"],
        ["hang", "token_provider"],
        ["refuse", "token_refused"],
      ])("when the endpoint's fault is «%s» (A11)", async (fault, reason) => {
        endpoint.fault = fault
        expect(await refusalOf(open().connect(user, fromEndpoint()))).toBe(reason)
        await expectQuiet()
        expect([endpoint.asked, gateway.socketTokens.length]).toEqual([1, 0])
      })

      test("a token of the wrong secret fails once and stops (A12)", async () => {
        endpoint.secret = "w".repeat(64)
        expect(await refusalOf(open().connect(user, fromEndpoint()))).toBe("43")
        await expectQuiet()
        expect([endpoint.asked, gateway.socketTokens.length]).toEqual([1, 1])
      })

      test("an endpoint that only has expired tokens is not asked for ever (A10)", async () => {
        endpoint.life = -5
        expect(await refusalOf(open().connect(user, fromEndpoint()))).toBe("40")
        await expectQuiet()
        expect(endpoint.asked).toBeLessThanOrEqual(3)
      })

      test("an endpoint that repeats its expired token is found out (A10)", async () => {
        endpoint.fixed = userToken(user, { iat: 1_600_000_000, exp: 1_600_000_060 })
        expect(await refusalOf(open().connect(user, fromEndpoint()))).toBe("token_stale")
        await expectQuiet()
        expect([endpoint.asked, gateway.socketTokens.length]).toEqual([2, 1])
      })

      test("a token of somebody else is never sent", async () => {
        endpoint.owner = "somebody-else"
        expect(await refusalOf(open().connect(user, fromEndpoint()))).toBe("token_mismatch")
        await expectQuiet()
        expect(gateway.socketTokens).toEqual([])
      })

      test("and after a failure the same client may connect again (A16)", async () => {
        endpoint.fault = "error"
        const client = open()
        expect(await refusalOf(client.connect(user, fromEndpoint()))).toBe("token_provider")
        endpoint.fault = "none"
        await client.connect(user, fromEndpoint())
        expect(client.state).toBe("online")
      })
    })

    describe("while connected", () => {
      test("tokens of two seconds are renewed before they end, and serve requests and sockets (A4, A17, A18)", async () => {
        await untilSecondBegins()
        endpoint.life = 2
        const client = await online(open(bentTime()))
        const endsMs = Date.now() + 2_500
        while (Date.now() < endsMs) {
          await client.read()
          await Bun.sleep(100)
        }
        await until("a second socket", () => gateway.socketTokens.length > 1 && client.state === "online")
        expect(gateway.requests.filter(({ status }) => status !== 200)).toEqual([])
        expect(new Set(gateway.requests.map(({ token }) => token)).size).toBeGreaterThan(1)
        expect(new Set(gateway.socketTokens).size).toBeGreaterThan(1)
        expect(endpoint.asked).toBeLessThanOrEqual(8)
        expect(endpoint.atOnce).toBe(1)
        expect(client.failures).toEqual([])
      })

      test("ten requests that are told «expired» share one question (A20)", async () => {
        endpoint.age = 10
        const client = await online(open())
        endpoint.age = 0
        endpoint.delayMs = 200
        await revoke()
        await Promise.all(Array.from({ length: 10 }, () => client.read()))
        await until("it is online", () => client.state === "online")
        expect([endpoint.asked, endpoint.atOnce]).toEqual([2, 1])
        expect(gateway.socketTokens.at(-1)).toBe(endpoint.tokens[1] as string)
      })

      test("a socket that drops in mid-refresh does not double the refresh (A7)", async () => {
        await untilSecondBegins()
        endpoint.life = 2
        endpoint.delayMs = 250
        const client = await online(open(bentTime()))
        await until("the refresh is under way", () => endpoint.asked === 2)
        endpoint.life = 3600
        gateway.cut()
        await until("it is back", () => client.state === "online" && gateway.socketTokens.length === 2)
        expect([endpoint.asked, endpoint.atOnce]).toEqual([2, 1])
        expect(gateway.socketTokens[1]).toBe(endpoint.tokens[1] as string)
        await expectQuiet()
      })

      test("after a sleep, reconnect and first request come with a token that still lives (A1, A2, A3, A5, A15)", async () => {
        await untilSecondBegins()
        endpoint.life = 2
        const time = bentTime()
        const client = await online(open(time))
        time.sleep()
        gateway.isDeaf = true
        await Bun.sleep(2_100)
        endpoint.life = 3600
        gateway.isDeaf = false
        gateway.cut()
        const read = client.read()
        time.wake()
        await read
        expect(gateway.requests.map(({ status }) => status)).toEqual([200])
        await until("it is back", () => client.state === "online" && gateway.socketTokens.length === 2)
        expect(claimsOf(gateway.socketTokens[1] as string).exp * 1000).toBeGreaterThan(Date.now())
        expect([endpoint.atOnce, client.failures.length]).toEqual([1, 0])
      })

      test("a clock that is ten minutes off neither loops nor is late, and the app is told once (B)", async () => {
        const warned = spyOn(console, "warn").mockImplementation(() => {})
        try {
          await untilSecondBegins()
          endpoint.life = 2
          const skewed = [600_000, -600_000].map((skewMs) => open(bentTime({ skewMs })))
          await Promise.all(skewed.map(online))
          const endsMs = Date.now() + 2_300
          while (Date.now() < endsMs) {
            await Promise.all(skewed.map((client) => client.read()))
            await Bun.sleep(150)
          }
          expect(gateway.requests.filter(({ status }) => status !== 200)).toEqual([])
          expect(endpoint.asked).toBeGreaterThanOrEqual(4)
          expect(endpoint.asked).toBeLessThanOrEqual(8)
          expect([...skewed.map(({ skewsTold }) => skewsTold), warned.mock.calls.length]).toEqual([1, 1, 2])
        } finally {
          warned.mockRestore()
        }
      })

      test.each<EndpointFault>(["error", "reset", "garbage", "hang"])(
        "an endpoint with the fault «%s» is asked with pauses, until it has recovered (A11)",
        async (fault) => {
          endpoint.age = 10
          const client = await online(open())
          endpoint.fault = fault
          endpoint.age = 0
          await revoke()
          await until("it was asked again", () => endpoint.asked >= 3)
          expect(client.state).toBe("reconnecting")
          endpoint.fault = "none"
          await until("it is back", () => client.state === "online")
          expect(endpoint.asked).toBeLessThanOrEqual(subject.replacementsPerMinuteMax + 1)
          expect(client.failures).toEqual([])
          await client.read()
        },
      )

      test("a revoked user whom the endpoint refuses is told once, and nothing loops (A7, A16)", async () => {
        endpoint.age = 10
        const client = await online(open())
        endpoint.fault = "refuse"
        await revoke()
        await until("it has given up", () => client.state === "failed")
        await expectQuiet()
        expect(client.failures.map(subject.reasonOf)).toEqual(["token_refused"])
        expect([endpoint.asked, gateway.socketTokens.length]).toEqual([2, 1])
        endpoint.fault = "none"
        endpoint.age = 0
        await client.connect(user, fromEndpoint())
        expect(client.state).toBe("online")
      })

      test("a revoked user whose new tokens are all refused: a few attempts (A10, A17)", async () => {
        endpoint.age = 10
        const client = await online(open())
        await revoke()
        await until("it has given up", () => client.state === "failed")
        await expectQuiet()
        expect(client.failures.map(subject.reasonOf)).toEqual(["40"])
        expect(endpoint.asked).toBeLessThanOrEqual(6)
      })

      test("an app that goes on reading with refused tokens cannot make a loop of the endpoint (A17)", async () => {
        endpoint.age = 10
        const client = await online(open())
        await revoke()
        await until("it has given up", () => client.state === "failed")
        const refusals = []
        for (let reads = 0; reads < 30; reads += 1) refusals.push(await refusalOf(client.read()))
        expect(new Set(refusals)).toEqual(new Set(["40", "token_provider"]))
        expect(endpoint.asked).toBeLessThanOrEqual(subject.replacementsPerMinuteMax + 2)
      })

      test("a refresh that brings somebody else's token ends it, and that token is never sent", async () => {
        endpoint.age = 10
        const client = await online(open())
        endpoint.owner = "somebody-else"
        await revoke()
        await until("it has given up", () => client.state === "failed")
        expect(client.failures.map(subject.reasonOf)).toEqual(["token_mismatch"])
        const sent = [...gateway.socketTokens, ...gateway.requests.map(({ token }) => token)]
        expect(new Set(sent.map((token) => claimsOf(token as string).user_id))).toEqual(new Set([user]))
      })

      test.each([4001, 4008, 4499])("close code %d brings it back with a token that is seconds old", async (code) => {
        const client = await online(open())
        const before = client.connectionId
        gateway.cut(code)
        await until("it is back", () => client.connectionId !== null && client.connectionId !== before)
        expect(endpoint.asked).toBe(1)
      })

      test.each([4504, 4543])("close code %d keeps it away", async (code) => {
        const client = await online(open())
        gateway.cut(code)
        await until("it has given up", () => client.state === "failed")
        await expectQuiet()
        expect([endpoint.asked, gateway.socketTokens.length, client.failures.length]).toEqual([1, 1, 1])
      })

      test("a gate that is closed for a moment (-3) is asked again, and costs no token", async () => {
        const client = await online(open())
        gateway.unavailable = 1
        await client.read()
        expect(gateway.requests.map(({ status }) => status)).toEqual([503, 200])
        expect(endpoint.asked).toBe(1)
      })
    })

    describe("a token from the app itself", () => {
      test("set while connected, it serves the next request and the next socket (A6, A9, A15, A19)", async () => {
        const [first, second] = [userToken(user, { jti: "first" }), userToken(user, { jti: "second" })]
        const client = open()
        await client.connect(user, { text: first })
        const before = client.connectionId
        await client.setToken({ text: second })
        await client.read()
        expect(client.connectionId).toBe(before)
        gateway.cut()
        await until("it is back", () => gateway.socketTokens.length === 2 && client.state === "online")
        expect(gateway.socketTokens).toEqual([first, second])
        expect(gateway.requests.map(({ token }) => token)).toEqual([second])
      })

      test("set after the former one ran out, it brings the connection back (A8)", async () => {
        const client = open()
        await client.connect(user, { text: userToken(user, { iat: Math.floor(Date.now() / 1000) - 10 }) })
        await revoke()
        await until("it has given up", () => client.state === "failed")
        expect(client.failures.map(subject.reasonOf)).toEqual(["40"])
        await client.setToken({ text: userToken(user) })
        expect(client.state).toBe("online")
        await client.read()
      })

      test("of somebody else, it is not taken", async () => {
        const client = await online(open())
        expect(await refusalOf(client.setToken({ text: userToken("somebody-else") }))).toBe("token_mismatch")
        await client.read()
        expect(gateway.requests.at(-1)?.token).toBe(endpoint.tokens[0] as string)
      })
    })

    describe("an answer that comes too late", () => {
      test("after disconnect, changes nothing (A7)", async () => {
        endpoint.delayMs = 200
        const client = open()
        const outcome = refusalOf(client.connect(user, fromEndpoint()))
        await until("it asked", () => endpoint.asked === 1)
        await client.disconnect()
        expect(await outcome).toBe("disconnected")
        await until("the answer is there", () => endpoint.tokens.length === 1)
        await expectQuiet()
        expect([client.state, gateway.socketTokens.length]).toEqual(["idle", 0])
      })

      test("after another user came in, is not sent in their name (A7)", async () => {
        endpoint.age = 10
        const client = await online(open())
        endpoint.age = 0
        endpoint.delayMs = 300
        await revoke()
        const read = refusalOf(client.read())
        await until("it asked", () => endpoint.asked === 2)
        await client.disconnect()
        const other = `${user}-other`
        await client.connect(other, { text: userToken(other) })
        expect(await read).toBe("disconnected")
        await until("the answer is there", () => endpoint.tokens.length === 2)
        await client.read()
        await expectQuiet()
        expect(claimsOf(gateway.socketTokens.at(-1) as string).user_id).toBe(other)
        expect(claimsOf(gateway.requests.at(-1)?.token as string).user_id).toBe(other)
        const sent = [...gateway.socketTokens, ...gateway.requests.map(({ token }) => token)]
        expect(sent).not.toContain(endpoint.tokens[1] as string)
      })
    })

    describe("several tabs", () => {
      test("ask one at a time, and hand the token on (A20, A21)", async () => {
        endpoint.age = 10
        const tabs = simulateTabs()
        const pages = Array.from({ length: 3 }, () => open(bentTime(), tabs))
        endpoint.delayMs = 50
        await Promise.all(pages.map((page) => page.connect(user, fromEndpoint())))
        const asked = endpoint.asked
        expect(asked).toBeLessThanOrEqual(pages.length)
        endpoint.age = 0
        await revoke()
        await Promise.all(pages.map((page) => page.read()))
        await until("all are online", () => pages.every(({ state }) => state === "online"))
        expect([endpoint.asked - asked, endpoint.atOnce]).toEqual([1, 1])
        const sent = gateway.requests.filter(({ status }) => status === 200).map(({ token }) => token)
        expect(new Set(sent)).toEqual(new Set([endpoint.tokens.at(-1) as string]))
      })

      test("go on when the one that was at it fails", async () => {
        endpoint.age = 10
        const tabs = simulateTabs()
        const pages = [open(undefined, tabs), open(undefined, tabs)]
        await Promise.all(pages.map((page) => page.connect(user, fromEndpoint())))
        endpoint.age = 0
        endpoint.fault = "error"
        await revoke()
        await until("it was asked", () => endpoint.asked >= 4)
        endpoint.fault = "none"
        await until("all are online", () => pages.every(({ state }) => state === "online"))
        expect(endpoint.atOnce).toBe(1)
      })

      test("do not take a token that says something else", async () => {
        const tabs = simulateTabs()
        const text = userToken(user, { scopes: { "chat:messaging:*": ["read"] } })
        const page = await online(open(undefined, tabs))
        await open(undefined, tabs).connect(user, { text })
        await Bun.sleep(50)
        expect(tabs.told).toBeGreaterThan(0)
        await page.read()
        expect(gateway.requests.at(-1)?.token).toBe(endpoint.tokens[0] as string)
      })

      test("that share nothing ask for themselves", async () => {
        await Promise.all([online(open()), online(open())])
        expect(endpoint.asked).toBe(2)
      })
    })
  })
}
