// The token endpoint of an app's backend, as a real HTTP server whose faults a test switches on and off.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { userToken } from "../../../packages/server/src/testing.ts"

/** What the endpoint does with a question. */
export type EndpointFault =
  | "none"
  /** 500. */
  | "error"
  /** The connection is cut without an answer. */
  | "reset"
  /** 200 with a page in place of JSON. */
  | "garbage"
  /** It never answers. */
  | "hang"
  /** 401: this user may have no token. */
  | "refuse"

export interface TokenEndpoint {
  readonly url: string
  fault: EndpointFault
  delayMs: number
  /** The next tokens: seconds of life from now on, seconds since they were issued, and whose they are. */
  life: number
  age: number
  /** Instead of a new token; for endpoints that repeat one. */
  fixed: string | null
  /** Signs with this instead of the app's secret. */
  secret: string | undefined
  /** Whose tokens these are; null: of whoever the address names. */
  owner: string | null
  /** Questions so far, and the most that were under way at one time. */
  readonly asked: number
  readonly atOnce: number
  readonly tokens: readonly string[]
  close(): Promise<void>
}

const nowSeconds = (): number => Date.now() / 1000

/** Starts an endpoint without faults. `life` and `age` may be fractions; the wire's seconds are whole. */
export async function startEndpoint(): Promise<TokenEndpoint> {
  let asked = 0
  let underWay = 0
  let atOnce = 0
  const tokens: string[] = []
  const cors = { "access-control-allow-origin": "*", "cache-control": "no-store" }

  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    asked += 1
    underWay += 1
    atOnce = Math.max(atOnce, underWay)
    response.on("close", () => {
      underWay -= 1
    })
    const { fault } = endpoint
    if (endpoint.delayMs > 0) await Bun.sleep(endpoint.delayMs)
    if (fault === "hang") return
    if (fault === "reset") {
      request.socket.destroy()
      return
    }
    if (fault === "error") response.writeHead(500, cors).end("{}")
    else if (fault === "refuse") response.writeHead(401, cors).end(`{"error":"not signed in"}`)
    else if (fault === "garbage") response.writeHead(200, cors).end("<html>login</html>")
    else {
      const user = endpoint.owner ?? new URL(request.url ?? "/", "http://endpoint").searchParams.get("user") ?? ""
      const token = endpoint.fixed ?? make(user)
      tokens.push(token)
      response.writeHead(200, { ...cors, "content-type": "application/json" }).end(JSON.stringify({ token }))
    }
  })

  const make = (user: string): string => {
    const iat = Math.floor(nowSeconds() - endpoint.age)
    const exp = Math.floor(nowSeconds() + endpoint.life)
    return userToken(user, { iat, exp, jti: `t${asked}` }, endpoint.secret)
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    fault: "none",
    delayMs: 0,
    life: 3600,
    age: 0,
    fixed: null,
    secret: undefined,
    owner: null,
    get asked() {
      return asked
    },
    get atOnce() {
      return atOnce
    },
    tokens,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return endpoint
}
