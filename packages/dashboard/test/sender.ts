// A backend and its users' devices, as they go on working while an operator changes things: tokens are made and used
// without a pause, and every answer is counted.

import { createToken } from "../../sdk-server/src/index.ts"

const pauseMs = 40
const tokenSeconds = 3

export interface Sender {
  /** Requests that were let in. */
  readonly sent: number
  /** What came back instead, in the server's words. */
  readonly refusals: readonly string[]
  /** Ends after the request that is under way. */
  stop(): Promise<void>
}

export interface SenderOptions {
  readonly origin: string
  readonly apiKey: string
  readonly secret: string
  readonly kid?: string
  readonly userId: string
  /** What its devices call themselves. */
  readonly client: string
}

/** Starts to send messages into one channel, each with a token of its own that lives a few seconds. */
export function startSender({ origin, apiKey, secret, kid, userId, client }: SenderOptions): Sender {
  const refusals: string[] = []
  let sent = 0
  let stopped = false
  const done = run()
  return {
    get sent() {
      return sent
    },
    refusals,
    stop() {
      stopped = true
      return done
    },
  }

  async function run(): Promise<void> {
    while (!stopped) {
      const token = createToken(secret, userId, { expiresIn: tokenSeconds, ...(kid === undefined ? {} : { kid }) })
      const response = await fetch(`${origin}/api/v2/chat/channels/messaging/general/message?api_key=${apiKey}`, {
        method: "POST",
        headers: {
          authorization: token,
          "stream-auth-type": "jwt",
          "content-type": "application/json",
          "x-stream-client": client,
        },
        body: JSON.stringify({ message: { text: `Message ${sent + 1}` } }),
      })
      if (response.ok) sent += 1
      else refusals.push(`${response.status} ${await response.text()}`)
      await Bun.sleep(pauseMs)
    }
  }
}
