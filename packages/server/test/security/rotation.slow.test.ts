// Cases 46 and 47: a rotation drill under load. A script makes secrets, puts them into use, retires them, takes them back
// and revokes them, every few hundred milliseconds, while clients sign with what is in use. No good token is refused, and
// none of a revoked secret is taken from the moment on at which the answer came.

import { afterAll, describe, expect, test } from "bun:test"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../../contract/suites/bus/redis-server.ts"
import { call, createPostgresDatabase, sign, testAdminToken, testApiKey, testApiSecret } from "../../src/testing.ts"
import { nowSeconds } from "../fixtures.ts"
import { endAllNodes, type NodeProcess, newMasterKey, startNode, temporaryFolder } from "../node-process.ts"

const bounds = {
  drillMs: 10_000,
  /** Between two steps of the script. */
  stepMs: 150,
  clients: 24,
  /** Tokens signed with one secret before a client signs another one. */
  usesPerToken: 20,
  /** What is printed beside the result; a busy machine may be slower, and the test is not about that. */
  requestsPerSecondWanted: 1_000,
  requestsMin: 2_000,
  /** Rotations that a drill has to have come through. */
  rotationsMin: 2,
} as const

const cleanUps: (() => void | Promise<void>)[] = []
afterAll(async () => {
  await endAllNodes()
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
}, 30_000)
const folder = (): string => {
  const { path, remove } = temporaryFolder()
  cleanUps.push(remove)
  return path
}

interface Secret {
  readonly kid: string
  readonly value: string
}

async function drill(nodes: readonly NodeProcess[]): Promise<void> {
  const operate = async (method: string, path: string, body?: unknown) => {
    const node = nodes[steps % nodes.length] as NodeProcess
    const as = `Bearer ${testAdminToken}`
    const answer = await call(node.url, method, `/api/admin/v1${path}`, { as, apiKey: null, authType: null, body })
    expect({ path, status: answer.status, body: answer.body }).toMatchObject({
      status: answer.status < 300 ? answer.status : 200,
    })
    return answer.body
  }
  let steps = 0
  const app = (await operate("GET", "/apps")).apps[0].id as number
  const place = `/apps/${app}/keys/${testApiKey}/secrets`
  const step = async (kid: string, state: string): Promise<void> => {
    steps += 1
    await operate("PATCH", `${place}/${kid}`, { state })
    await Bun.sleep(bounds.stepMs)
  }
  const create = async (): Promise<Secret> => {
    steps += 1
    const { secret, value } = await operate("POST", place, { label: "drill", state: "standby" })
    return { kid: secret.kid, value }
  }
  const first = (await operate("GET", `/apps/${app}/keys`)).keys.find(
    (key: { api_key: string }) => key.api_key === testApiKey,
  )

  /** What the backend signs with: published after the answer that put it into use, and before the one that ends it. */
  let published: Secret = { kid: first.secrets[0].kid, value: testApiSecret }
  let isGoing = true
  let requests = 0
  const refused: string[] = []
  /** Tokens of secrets that verify no more, and when the answer that said so came. */
  const revokedTokens: string[] = []
  const takenAfterwards: string[] = []

  const tokenOf = ({ kid, value }: Secret, user: number, withKid: boolean): string =>
    sign({ user_id: `client-${user}`, iat: nowSeconds(), exp: nowSeconds() + 600 }, value, {
      alg: "HS256",
      typ: "JWT",
      ...(withKid ? { kid } : {}),
    })
  const use = async (token: string, at: number) => {
    const node = nodes[at % nodes.length] as NodeProcess
    const response = await fetch(`${node.url}/api/v2/users?payload=%7B%7D&api_key=${testApiKey}`, {
      headers: { authorization: token, "stream-auth-type": "jwt" },
    })
    const text = await response.text()
    return { status: response.status, text }
  }
  // A client holds its token until the backend would have signed a new one for it: with the secret that is in use when
  // it asks. Each request that was sent while its secret verified has to be answered.
  const client = async (index: number): Promise<void> => {
    for (let round = 0; isGoing; round++) {
      const secret = published
      const token = tokenOf(secret, index, round % 2 === 0)
      for (let uses = 0; isGoing && uses < bounds.usesPerToken && secret === published; uses++) {
        const { status, text } = await use(token, index + uses)
        requests += 1
        if (status !== 200) refused.push(`${status} ${secret.kid}: ${text}`)
      }
    }
  }
  const checkRevoked = async (): Promise<void> => {
    await Promise.all(
      revokedTokens.flatMap((token) =>
        nodes.map(async (_, at) => {
          const { status, text } = await use(token, at)
          if (status !== 401) takenAfterwards.push(`${status} ${text}`)
        }),
      ),
    )
  }

  const startedMs = performance.now()
  const clients = Array.from({ length: bounds.clients }, (_, index) => client(index))
  let rotations = 0
  const rotate = async (): Promise<void> => {
    while (performance.now() - startedMs < bounds.drillMs) {
      const old = published
      const oldTokens = [true, false].map((withKid) => tokenOf(old, 1_000 + rotations, withKid))
      for (const [at, token] of oldTokens.entries()) expect((await use(token, at)).status).toBe(200)
      const next = await create()
      await step(next.kid, "active")
      published = next
      // The clients' last requests with the old one are on their way; it verifies until it is revoked.
      await step(old.kid, "retiring")
      for (const [at, token] of oldTokens.entries()) expect((await use(token, at)).status).toBe(200)
      // Back, because something went wrong, and forth again.
      await step(old.kid, "active")
      await step(next.kid, "retiring")
      await step(next.kid, "active")
      if (rotations % 2 === 1) {
        await step(old.kid, "standby")
        await step(old.kid, "active")
      }
      await step(old.kid, "retiring")
      steps += 1
      await operate("PATCH", `${place}/${old.kid}`, { state: "revoked" })
      // From the moment after the answer, on every node.
      revokedTokens.push(...oldTokens, tokenOf(old, 1, true), tokenOf(old, 1, false))
      await checkRevoked()
      rotations += 1
    }
    await checkRevoked()
  }
  await rotate().finally(() => {
    isGoing = false
    return Promise.all(clients)
  })
  const seconds = (performance.now() - startedMs) / 1000
  console.log(
    `rotation drill on ${nodes.length} node(s): ${requests} requests, ${Math.round(requests / seconds)} a second ` +
      `(${bounds.requestsPerSecondWanted} wanted), ${rotations} rotations, ${steps} steps, ${refused.length} refused`,
  )
  expect(refused).toEqual([])
  expect(takenAfterwards).toEqual([])
  expect(rotations).toBeGreaterThanOrEqual(bounds.rotationsMin)
  expect(requests).toBeGreaterThan(bounds.requestsMin)
}

describe("cases 46 and 47: rotation under load", () => {
  test("case 46: no good token is refused, and none of a revoked secret taken, on SQLite", async () => {
    await drill([await startNode({ WEIR_DATA_DIR: folder(), WEIR_MASTER_KEY: newMasterKey() })])
    await endAllNodes()
  }, 60_000)

  if (redisProgram === null || !process.env.WEIR_TEST_POSTGRES_URL) {
    console.log("rotation.slow.test.ts: one node only, needs WEIR_TEST_POSTGRES_URL and the program redis-server")
    return
  }
  test("cases 46 and 47: the same on two nodes with Postgres and Redis", async () => {
    const database = await createPostgresDatabase()
    if (database === null) throw new Error("there is no Postgres")
    cleanUps.push(database.drop)
    const redis: OwnRedisServer = await startRedisServer()
    cleanUps.push(() => redis.kill())
    const masterKey = newMasterKey()
    const settings = () => ({
      WEIR_DATABASE_URL: database.url,
      WEIR_REDIS_URL: redis.url,
      WEIR_MASTER_KEY: masterKey,
      WEIR_DATA_DIR: folder(),
    })
    await drill([await startNode(settings()), await startNode(settings())])
    await endAllNodes()
  }, 90_000)
})
