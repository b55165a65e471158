// The client SDK runs the suite.

import { limits, WeirClient } from "../../../packages/sdk-client/src/index.ts"
import { tokenEndpoint } from "../../../packages/sdk-client/src/token-endpoint.ts"
import { refreshSuite, type TokenFrom } from "./suite.ts"

const given = (token: TokenFrom) => ("url" in token ? tokenEndpoint(token.url) : token.text)

refreshSuite("sdk-client", {
  replacementsPerMinuteMax: limits.tokenReplacementsPerMinuteMax,
  open({ apiKey, baseUrl, time, tabs }) {
    const client = new WeirClient({
      apiKey,
      baseUrl,
      timers: time,
      ...(tabs === null ? { shareTokens: false } : { tabs }),
    })
    const failures: unknown[] = []
    let skewsTold = 0
    client.on("connection.failed", ({ error }) => failures.push(error))
    client.on("clock.skewed", () => {
      skewsTold += 1
    })
    return {
      connect: (userId, token) => client.connect({ id: userId }, given(token)),
      disconnect: () => client.disconnect(),
      setToken: (token) => client.setToken(given(token)),
      read: () => client.operations.users.query({ filter_conditions: {}, limit: 1 }),
      get state() {
        return client.connectionState
      },
      get connectionId() {
        return client.connectionId
      },
      failures,
      get skewsTold() {
        return skewsTold
      },
    }
  },
  reasonOf: (error) => {
    const { code, reason } = error as { code?: number; reason?: string }
    return String(code ?? reason)
  },
})
