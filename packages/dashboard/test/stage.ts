// An app that is in use: users, content, sockets, refusals, revocations and deliveries, made as a customer makes them.

import { createWeirAdmin } from "../../sdk-server/src/admin.ts"
import { createToken, createWeirServer } from "../../sdk-server/src/index.ts"
import { connect, type TestSocket } from "../../server/src/testing.ts"
import { until } from "../../server/test/node-process.ts"

export interface StageOptions {
  readonly origin: string
  readonly adminToken: string
  readonly apiKey: string
  readonly apiSecret: string
}

/** What there is to look at, by the ids of the pages' addresses. */
export interface Stage {
  readonly app: string
  readonly apiKey: string
  readonly userId: string
  readonly revocation: string
  readonly decision: string
  readonly hook: string
  readonly delivery: string
  /** Sockets that stay open. */
  readonly sockets: readonly TestSocket[]
  close(): Promise<void>
}

const people = [
  { id: "jessica", name: "Jessica Moore", teams: ["harbour"] },
  { id: "sam", name: "Sam Okafor", teams: ["harbour"] },
  { id: "alex", name: "Alex Lindqvist", role: "admin" },
  { id: "robin", name: "Robin Castellanos", custom: { city: "Lisbon" } },
  { id: "mika", name: "Mika Tanaka" },
]
const ids = people.map(({ id }) => id)
const lines = [
  "The ferry leaves at nine",
  "I am on the pier already",
  "Could somebody look at the tide table? The page says 06:40, and the board at the harbour says 07:10.",
  "The board is right, the page is from yesterday",
  "Thanks",
]

/** Fills the app. Waits until what is written in the background can be read. */
export async function setStage({ origin, adminToken, apiKey, apiSecret }: StageOptions): Promise<Stage> {
  const weir = createWeirServer({ apiKey, apiSecret, baseUrl: origin })
  const admin = createWeirAdmin({ adminToken, baseUrl: origin })
  const app = String((await admin.apps.list()).apps[0]?.id)
  const token = (user: string, options = {}) => createToken(apiSecret, user, { expiresIn: "1h", jti: true, ...options })
  let answers = 0
  const receiver = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    // Every fourth delivery meets a backend that is just being restarted.
    fetch: () => new Response(null, { status: (answers++ & 3) === 3 ? 503 : 200 }),
  })
  const { hook } = await admin.hooks.create(app, {
    hook_type: "webhook",
    webhook_url: `http://127.0.0.1:${receiver.port}/weir`,
  })

  await weir.users.upsert(people)
  const data = { created_by_id: "alex", members: ids, custom: { name: "General" } }
  await weir.channels.getOrCreate("messaging", "general", { data })
  await weir.channels.getOrCreate("livestream", "regatta", { data: { created_by_id: "sam" } })
  for (const [index, text] of lines.entries()) {
    await weir.channels.sendMessage("messaging", "general", { text, user_id: ids[index % ids.length] ?? "" })
  }
  for (const id of ["jessica", "sam"]) {
    await weir.feeds.getOrCreate("user", id, { user_id: id })
    await weir.feeds.getOrCreate("timeline", id, { user_id: id })
  }
  await weir.follows.create({ source: "timeline:sam", target: "user:jessica" })
  await weir.activities.add({ type: "post", feeds: ["user:jessica"], text: "First over the line", user_id: "jessica" })
  const members = ["alex", "jessica", "sam"].map((user_id) => ({ user_id }))
  await weir.calls.getOrCreate("default", "standup", { data: { created_by_id: "alex", members } })

  const sockets = await Promise.all(
    ["jessica", "sam", "mika"].map((user) => connect(origin, user, { apiKey, token: token(user) })),
  )
  const refused = await fetch(`${origin}/api/v2/chat/channels/livestream/regatta/message?api_key=${apiKey}`, {
    method: "POST",
    headers: {
      authorization: token("robin", { scopes: { "chat:messaging:*": ["read", "write"] } }),
      "stream-auth-type": "jwt",
      "content-type": "application/json",
    },
    body: JSON.stringify({ message: { text: "Who is ahead?" } }),
  })
  const decision = refused.headers.get("x-decision-id") ?? ""
  const { receipt } = await admin.revocations.create(app, { user_id: "mika", reason: "Lost their phone" })
  const delivered = () => admin.deliveries.list(app).then(({ deliveries }) => deliveries)
  await until("the refusal is written down", () =>
    admin.decisions.get(decision, app).then(
      () => true,
      () => false,
    ),
  )
  await until("deliveries have been tried", async () => (await delivered()).some(({ attempts }) => attempts > 0))
  return {
    app,
    apiKey,
    userId: "jessica",
    revocation: receipt?.id ?? "",
    decision,
    hook: hook.id,
    delivery: (await delivered())[0]?.id ?? "",
    sockets,
    async close() {
      for (const socket of sockets) socket.close()
      await receiver.stop(true)
    },
  }
}
