// Receivers whose certificates come from an authority of one's own: NODE_EXTRA_CA_CERTS adds it to those that are
// trusted, over HTTPS and over Redis with TLS. The runtime reads it once, when a process starts, so the node is one.

import { afterAll, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { call, testAdminToken } from "../src/testing.ts"
import { endAllNodes, startNode, temporaryFolder, until } from "./node-process.ts"
import { answerOk, rawServer } from "./raw-server.ts"
import { selfSigned } from "./self-signed.ts"

const cleanUps: (() => void)[] = []
afterAll(async () => {
  await endAllNodes()
  for (const cleanUp of cleanUps.reverse()) cleanUp()
})

const own = selfSigned("localhost")

/** What a node, with these settings, makes of one test event for each hook: the last fault, null when delivered. */
async function faultsOf(settings: Readonly<Record<string, string>>): Promise<(string | null)[]> {
  const https = rawServer((socket) => socket.write(answerOk()), { tls: own })
  cleanUps.push(https.close)
  const { path, remove } = temporaryFolder()
  cleanUps.push(remove)
  const node = await startNode(
    { WEIR_DATA_DIR: path, WEIR_WEBHOOK_ALLOW_PRIVATE: "true", ...settings },
    { through: "launcher" },
  )
  const admin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null } as const
  const ask = (method: string, where: string, body?: object) =>
    call(node.url, method, `/api/admin/v1/apps${where}`, { ...admin, ...(body === undefined ? {} : { body }) })
  const [{ id: app }] = (await ask("GET", "")).body.apps
  const faults: (string | null)[] = []
  for (const body of [
    { hook_type: "webhook", webhook_url: `https://localhost:${https.port}/hook` },
    { hook_type: "webhook", webhook_url: `https://127.0.0.1:${https.port}/hook` },
    // This server does not speak Redis, which shows only to whom its certificate is good enough.
    { hook_type: "redis", redis_url: `rediss://localhost:${https.port}`, redis_stream: "events", timeout_ms: 2_000 },
  ]) {
    const { hook } = (await ask("POST", `/${app}/hooks`, body)).body
    const { id } = (await ask("POST", `/${app}/hooks/${hook.id}/test`, {})).body.delivery
    await until(
      "the first attempt",
      async () => {
        const { delivery } = (await ask("GET", `/${app}/deliveries/${id}`)).body
        if (delivery.attempts > 0) faults.push(delivery.fault)
        return delivery.attempts > 0
      },
      10_000,
    )
  }
  expect(await node.end("SIGTERM")).toBe(0)
  return faults
}

test("case 62: a certificate of an unknown authority is refused, one of NODE_EXTRA_CA_CERTS is taken", async () => {
  const { path, remove } = temporaryFolder()
  cleanUps.push(remove)
  const file = join(path, "authority.pem")
  writeFileSync(file, own.cert)
  expect(await faultsOf({})).toEqual(["tls", "tls", "tls"])
  const [byName, byAddress, redis] = await faultsOf({ NODE_EXTRA_CA_CERTS: file })
  expect([byName, byAddress]).toEqual([null, null])
  expect(["timeout", "protocol"]).toContain(redis as string)
  // Somebody else's authority opens nothing.
  writeFileSync(file, selfSigned("localhost").cert)
  expect(await faultsOf({ NODE_EXTRA_CA_CERTS: file })).toEqual(["tls", "tls", "tls"])
}, 90_000)
