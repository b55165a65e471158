// Rows (k): what a browser that has never been here fetches before an operator sees how an app fares. A real node, a real
// browser, an app that is in use.

import { randomBytes } from "node:crypto"
import { bytesOf, type Fetched, loadFirst } from "../../packages/dashboard/test/first-load.ts"
import { setStage } from "../../packages/dashboard/test/stage.ts"
import { chromiumPath, setUp, startWalk } from "../../packages/dashboard/test/walk.ts"
import { type Size, type SizeRow, sizeRowOf } from "../sizes.ts"

const firstLoadBytesMax = 300_000

/** Null: there is no browser here. */
export async function measureFirstLoad(runs: number): Promise<SizeRow[] | null> {
  if (chromiumPath === null) return null
  const adminToken = randomBytes(32).toString("hex")
  const walk = await startWalk({ WEIR_ADMIN_TOKEN: adminToken, WEIR_WEBHOOK_ALLOW_PRIVATE: "true" })
  try {
    const stage = await setStage({ origin: walk.origin, adminToken, ...walk.first })
    try {
      await setUp(await walk.open(), walk)
      const [logins, both]: [Size[], Size[]] = [[], []]
      for (let run = 0; run < runs; run++) {
        const { login, overview } = await loadFirst(walk, stage.app)
        logins.push(sizeOf(login))
        both.push(sizeOf([...login, ...overview]))
      }
      return [
        sizeRowOf({ id: "k1", what: "the login", bytesMax: null }, logins),
        sizeRowOf({ id: "k2", what: "login and overview", bytesMax: firstLoadBytesMax }, both),
      ]
    } finally {
      await stage.close()
    }
  } finally {
    await walk.close()
  }
}

const sizeOf = (fetched: readonly Fetched[]): Size => ({ bytes: bytesOf(fetched), answers: fetched.length })
