// What needs the API secret, in Node and Bun.

import { systemTimers } from "../../sdk-client/src/timers.ts"
import { checkSecret } from "../../sdk-server/src/secret.ts"
import { serverAuth } from "../../sdk-server/src/server-auth.ts"
import { signToken } from "../../sdk-server/src/tokens.ts"
import { verifyWebhook } from "../../sdk-server/src/webhooks.ts"
import type { ServerSide } from "./server-side.ts"

export const serverSide: ServerSide | null = {
  serverAuth: (apiSecret) => {
    checkSecret(apiSecret)
    return serverAuth("token", { apiKey: "", apiSecret, kid: undefined }, systemTimers)
  },
  signToken,
  verifyWebhook,
}
