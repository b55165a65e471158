// Rows (h): whole requests with a part of the gate and without it. The load is that of row b2.

import { fileURLToPath } from "node:url"
import { rateLimitBounds } from "@weir/protocol"
import type { Contender, ContenderName } from "../contender.ts"
import { limits } from "../limits.ts"
import { serverToken } from "../load/tokens.ts"
import { type Measurement, type Row, rowOf } from "../report.ts"
import { startWeir } from "../weir.ts"
import { getResource, type LoadContext, measureLoad } from "./load.ts"

const unrecordedProgram = fileURLToPath(import.meta.resolve("../peers/unrecorded.ts"))
const adminToken = "bench-admin-token-0123456789abcdef"

const uncountedProgram = fileURLToPath(import.meta.resolve("../peers/uncounted.ts"))

/** Four Weirs on SQLite take turns; all stay up, and one that is not asked does nothing but keep its lease. */
export async function measureSwitches(
  context: LoadContext,
  onRun: (contender: ContenderName, run: Measurement, counts: boolean) => void,
): Promise<Row[]> {
  const plain = await startVariant(context, {})
  const limited = await startVariant(context, { rateLimits: true, adminToken })
  await raiseLimits(limited, context)
  const unrecorded = await startVariant(context, { program: unrecordedProgram })
  const uncounted = await startVariant(context, { program: uncountedProgram })
  const contenders: Contender[] = [
    plain,
    { ...limited, name: "limited" },
    { ...unrecorded, name: "unrecorded" },
    { ...uncounted, name: "uncounted" },
  ]
  const runs = await measureLoad(getResource("repeated"), contenders, context, onRun)
  const { weir = [] } = runs
  const plan = { unit: "/s", aim: null }
  return [
    rowOf(
      { ...plan, id: "h1", what: "GET a message, rate limits", subject: "counted", baseline: "not counted" },
      runs.limited ?? [],
      weir,
    ),
    rowOf(
      { ...plan, id: "h2", what: "GET a message, record of refusals", subject: "recorder", baseline: "none" },
      weir,
      runs.unrecorded ?? [],
    ),
    rowOf(
      { ...plan, id: "h3", what: "GET a message, traffic counted", subject: "counted", baseline: "not counted" },
      weir,
      runs.uncounted ?? [],
    ),
  ]
}

type Variant = NonNullable<Parameters<typeof startWeir>[0]["variant"]>

async function startVariant({ apiKey, secret, settings }: LoadContext, variant: Variant): Promise<Contender> {
  const { users } = settings
  return (await startWeir({ apiKey, secret, users, watchers: [], databaseUrl: null, variant })).weir
}

/** To what no generator reaches, so that each request is counted against app, user and address, and let in. */
async function raiseLimits({ ports }: Contender, { apiKey, secret }: LoadContext): Promise<void> {
  const call = async (path: string, init: RequestInit): Promise<unknown> => {
    const signal = AbortSignal.timeout(limits.requestTimeoutMs)
    const response = await fetch(`http://127.0.0.1:${ports.http}${path}`, { ...init, signal })
    const said = await response.text()
    if (!response.ok)
      throw new Error(`${path} was refused with ${response.status}: ${said.slice(0, limits.quotedCharsMax)}`)
    return JSON.parse(said)
  }
  const { app } = (await call(`/api/v2/app?api_key=${apiKey}`, {
    headers: { authorization: serverToken(secret), "stream-auth-type": "jwt" },
  })) as { app: { id: number } }
  const most = rateLimitBounds.perMinuteMax
  const overrides = { GetMessage: { app: most, user: most, address: most } }
  await call(`/api/admin/v1/apps/${app.id}/limits`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ overrides }),
  })
}
