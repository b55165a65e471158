// What a token endpoint must never do, whichever framework it stands in. That its tokens open the door of a real
// server is in proofs.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createServer, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { jwtVerify } from "jose"
import {
  expressTokenEndpoint,
  honoTokenEndpoint,
  limits,
  nextTokenEndpoint,
  type TokenAnswer,
  type TokenEndpointOptions,
} from "../src/index.ts"

const apiKey = "a1b2c3d4e5f6"
const apiSecret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const page = "https://app.example.com"
const sessionOf = (cookie: string | null | undefined): string | null => /session=(\w+)/.exec(cookie ?? "")?.[1] ?? null

type Options = Omit<Partial<TokenEndpointOptions<unknown>>, "authenticate"> & {
  authenticate?: (cookie: string | null | undefined) => ReturnType<TokenEndpointOptions<unknown>["authenticate"]>
}
type Ask = (init?: RequestInit) => Promise<Response>
interface Style {
  readonly name: string
  /** An endpoint with these options, and how to ask it. */
  start(options?: Options): Promise<{ ask: Ask; port: number | null; stop(): void }>
}

const everything = (options: Options) => {
  const { authenticate = sessionOf, ...rest } = options
  return { given: { apiKey, apiSecret, onError: () => {}, ...rest }, authenticate }
}
const fetchStyle = (make: (options: Options) => (request: Request) => Promise<Response>): Style["start"] => {
  return async (options = {}) => {
    const handler = make(options)
    return {
      ask: (init) => handler(new Request("https://backend.example.com/token", { method: "POST", ...init })),
      port: null,
      stop() {},
    }
  }
}
const styles: Style[] = [
  {
    name: "Express style on node:http",
    async start(options = {}) {
      const { given, authenticate } = everything(options)
      const handler = expressTokenEndpoint<IncomingMessage>({
        ...given,
        authenticate: (request) => authenticate(request.headers.cookie),
      })
      const http = createServer((request, response) => void handler(request, response))
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
      const { port } = http.address() as { port: number }
      return {
        ask: (init) => fetch(`http://127.0.0.1:${port}/token`, { method: "POST", ...init }),
        port,
        stop() {
          http.close()
          http.closeAllConnections()
        },
      }
    },
  },
  {
    name: "Hono style",
    start: fetchStyle((options) => {
      const { given, authenticate } = everything(options)
      const handler = honoTokenEndpoint({
        ...given,
        authenticate: ({ req }) => authenticate(req.raw.headers.get("cookie")),
      })
      return (raw) => handler({ req: { raw } })
    }),
  },
  {
    name: "Next style",
    start: fetchStyle((options) => {
      const { given, authenticate } = everything(options)
      return nextTokenEndpoint({ ...given, authenticate: ({ headers }) => authenticate(headers.get("cookie")) })
    }),
  },
]

const as = (userId: string, headers: Record<string, string> = {}): RequestInit => ({
  headers: { cookie: `session=${userId}`, ...headers },
})
const claimsOf = async (answer: Response) => {
  const { token } = (await answer.json()) as TokenAnswer
  return (await jwtVerify(token, new TextEncoder().encode(apiSecret))).payload
}

for (const style of styles) {
  describe(style.name, () => {
    let endpoint: Awaited<ReturnType<Style["start"]>>
    beforeAll(async () => {
      endpoint = await style.start()
    })
    afterAll(() => endpoint.stop())

    /** Asks an endpoint with options of its own. */
    async function withOptions(options: Options, use: (ask: Ask) => Promise<void>): Promise<void> {
      const other = await style.start(options)
      try {
        await use(other.ask)
      } finally {
        other.stop()
      }
    }

    test("the answer is whole, and no cache may keep it", async () => {
      const answer = await endpoint.ask(as("jessica"))
      expect(answer.status).toBe(200)
      expect(answer.headers.get("cache-control")).toBe("no-store")
      expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8")
      expect(answer.headers.get("access-control-allow-origin")).toBeNull()
      const body = (await answer.clone().json()) as TokenAnswer
      expect(Object.keys(body).sort()).toEqual(["api_key", "expires_at", "token", "user_id"])
      const claims = await claimsOf(answer)
      expect(Object.keys(claims).sort()).toEqual(["exp", "iat", "user_id"])
      expect(claims.user_id).toBe("jessica")
      expect((claims.exp as number) - (claims.iat as number)).toBe(limits.endpointTokenLifeSecondsDefault)
      expect(Date.parse(body.expires_at)).toBe((claims.exp as number) * 1000)
    })

    test("nothing that the caller says of itself is signed", async () => {
      const lie = { user_id: "eve", userId: "eve", id: "eve", server: true, scopes: {}, exp: 1, call_cids: ["a:b"] }
      const answer = await endpoint.ask({ ...as("jessica", { "x-user-id": "eve" }), body: JSON.stringify(lie) })
      expect(Object.entries(await claimsOf(answer)).filter(([, value]) => typeof value !== "number")).toEqual([
        ["user_id", "jessica"],
      ])
    })

    test("nobody gets nothing", async () => {
      for (const nobody of [null, undefined, ""] as const) {
        await withOptions({ authenticate: async () => nobody }, async (ask) => {
          const answer = await ask(as("jessica"))
          expect(answer.status).toBe(401)
          expect(await answer.json()).toEqual({ error: "not signed in" })
        })
      }
    })

    test("only POST", async () => {
      for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        const answer = await endpoint.ask({ ...as("jessica"), method })
        expect([method, answer.status, answer.headers.get("allow")]).toEqual([method, 405, "POST"])
      }
    })

    test("what went wrong is told to the log and not to the caller", async () => {
      const failures: [status: number, Options][] = [
        [500, { authenticate: () => Promise.reject(new Error("canary")) }],
        [500, { authenticate: () => JSON.parse("{canary") }],
        [500, { authenticate: () => "canary is no user id" }],
        // An object is nobody, like null.
        [401, { authenticate: () => ({ canary: true }) as never }],
        [500, { scopes: () => ({ canary: ["read"] }) }],
        [500, { deviceId: () => "canary".repeat(100) }],
      ]
      for (const [status, failure] of failures) {
        const heard: unknown[] = []
        await withOptions({ ...failure, onError: (error) => heard.push(error) }, async (ask) => {
          const answer = await ask(as("jessica"))
          expect(answer.status).toBe(status)
          expect(await answer.json()).toEqual({ error: expect.not.stringContaining("canary") })
          expect(heard).toHaveLength(status === 500 ? 1 : 0)
        })
      }
      await withOptions(
        {
          authenticate: () => Promise.reject(new Error("canary")),
          onError() {
            throw new Error("the log is full")
          },
        },
        async (ask) => expect((await ask(as("jessica"))).status).toBe(500),
      )
    })

    test("life, secret, scopes and device are what the backend says", async () => {
      const scopes = { "chat:messaging:*": ["read"] }
      await withOptions(
        { expiresIn: "5m", kid: "k1", scopes: async () => scopes, deviceId: (userId) => `phone-of-${userId}` },
        async (ask) => {
          const answer = await ask(as("jessica"))
          const { token } = (await answer.clone().json()) as TokenAnswer
          expect(JSON.parse(atob(token.split(".")[0] as string)).kid).toBe("k1")
          const claims = await claimsOf(answer)
          expect(claims).toMatchObject({ scopes, device_id: "phone-of-jessica" })
          expect((claims.exp as number) - (claims.iat as number)).toBe(300)
        },
      )
    })

    test("a user has a bound a minute that is no one else's", async () => {
      await withOptions({ tokensPerMinute: 2 }, async (ask) => {
        const statusOf = async (userId: string) => (await ask(as(userId))).status
        expect([await statusOf("ann"), await statusOf("ann"), await statusOf("ann")]).toEqual([200, 200, 429])
        expect(await statusOf("bob")).toBe(200)
        const waitSeconds = Number((await ask(as("ann"))).headers.get("retry-after"))
        expect(waitSeconds).toBeGreaterThan(0)
        expect(waitSeconds).toBeLessThanOrEqual(60)
      })
      await withOptions({ tokensPerMinute: null }, async (ask) => {
        for (let count = 0; count <= limits.endpointTokensPerMinuteDefault; count += 1) {
          expect((await ask(as("ann"))).status).toBe(200)
        }
      })
    })

    test("pages of other origins are refused once there is a list of origins", async () => {
      await withOptions({ allowedOrigins: [page] }, async (ask) => {
        const from = async (origin: string, method = "POST") => {
          const headers = { origin, "access-control-request-headers": "authorization,x-csrf" }
          return ask({ ...as("jessica", headers), method })
        }
        const good = await from(page)
        expect(good.status).toBe(200)
        expect(good.headers.get("access-control-allow-origin")).toBe(page)
        expect(good.headers.get("access-control-allow-credentials")).toBe("true")
        const preflight = await from(page, "OPTIONS")
        expect([preflight.status, await preflight.text()]).toEqual([204, ""])
        expect(preflight.headers.get("access-control-allow-methods")).toBe("POST")
        expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization,x-csrf")
        for (const origin of ["https://evil.example", `${page}.evil.example`, "http://app.example.com", "null"]) {
          for (const method of ["POST", "OPTIONS"]) {
            const bad = await from(origin, method)
            expect([origin, bad.status, bad.headers.get("access-control-allow-origin")]).toEqual([origin, 403, null])
            expect(bad.headers.get("vary")).toBe("Origin")
          }
        }
        // An app on a phone sends no Origin.
        expect((await ask(as("jessica"))).status).toBe(200)
      })
    })

    test("a long body is refused, a short one is not looked at", async () => {
      const send = (body: string) => endpoint.ask({ ...as("jessica"), body, headers: lengthOf(body) })
      const lengthOf = (body: string) => ({ cookie: "session=jessica", "content-length": String(body.length) })
      expect((await send("x".repeat(limits.endpointBodyBytesMax))).status).toBe(200)
      expect((await send("x".repeat(limits.endpointBodyBytesMax + 1))).status).toBe(413)
    })
  })
}

test("Express style: an answer of authenticate itself stands", async () => {
  const handler = expressTokenEndpoint<IncomingMessage & { answer: () => void }>({
    apiKey,
    apiSecret,
    authenticate(request) {
      request.answer()
      return null
    },
  })
  const http = createServer((request, response) => {
    const answer = () => void response.writeHead(302, { location: "/login" }).end()
    void handler(Object.assign(request, { answer }), response)
  })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  try {
    const { port } = http.address() as { port: number }
    const answer = await fetch(`http://127.0.0.1:${port}`, { method: "POST", redirect: "manual" })
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "/login"])
  } finally {
    http.close()
    http.closeAllConnections()
  }
})

// Who announces a body and never sends it must not hold the connection for ever, nor wait for the answer.
test("Express style: a long body that never comes is answered at once", async () => {
  const { port, stop } = await (styles[0] as Style).start()
  try {
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(port as number, "127.0.0.1")
      let heard = ""
      socket.on("data", (chunk) => {
        heard += chunk
        if (heard.includes("\r\n\r\n")) socket.destroy()
      })
      socket.on("close", () => resolve(heard))
      socket.on("error", reject)
      socket.write("POST /token HTTP/1.1\r\nHost: x\r\nCookie: session=jessica\r\nContent-Length: 1000000000\r\n\r\n")
    })
    expect(text).toStartWith("HTTP/1.1 413 ")
  } finally {
    stop()
  }
})

describe("a set-up that cannot be right", () => {
  const makers = [expressTokenEndpoint, honoTokenEndpoint, nextTokenEndpoint] as ((given: object) => unknown)[]
  const right = { apiKey, apiSecret, authenticate: () => null }
  test.each([
    ["no function", { authenticate: undefined }],
    ["a user instead of a function", { authenticate: "jessica" }],
    ["no key", { apiKey: "" }],
    ["no secret", { apiSecret: undefined }],
    ["a key instead of a secret", { apiSecret: apiKey }],
    ["an unknown life", { expiresIn: "soon" }],
    ["no tokens", { tokensPerMinute: 0 }],
    ["an origin with a path", { allowedOrigins: [`${page}/`] }],
    ["every origin", { allowedOrigins: ["*"] }],
    ["an origin as text", { allowedOrigins: page }],
  ] as [string, object][])("%s", (_name, wrong) => {
    for (const make of makers) {
      expect(() => make(right)).not.toThrow()
      expect(() => make({ ...right, ...wrong })).toThrow(TypeError)
    }
  })
})
