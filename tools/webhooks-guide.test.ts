// What docs/guide/webhooks.md says in code and numbers is true: its lines of Python take and refuse what the vectors say,
// its table of attempts is the schedule, and its bounds are those of the server.

import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { exposition } from "../packages/server/src/core/metrics/rules.ts"
import { limits as hookLimits } from "../packages/server/src/core/webhooks/limits.ts"
import { limits } from "../packages/server/src/events/webhooks/limits.ts"
import { attemptsMax, retryPausesMs } from "../packages/server/src/events/webhooks/retry.ts"

const root = join(import.meta.dir, "..")
const guide = readFileSync(join(root, "docs/guide/webhooks.md"), "utf8")

const python = Bun.which("python3")
if (python === null) console.log("The guide's Python: skipped, install python3")

interface Vector {
  readonly name: string
  readonly scheme: string
  readonly receiver: { readonly secrets?: readonly string[]; readonly tolerance_seconds: number }
  readonly error: string | null
  readonly stricter?: boolean
}

/** Runs the guide's code over vectors on standard input, each at its own time and with its own secrets. */
const harness = `
import base64, gzip, json, os, sys, time
source = sys.argv[1]
verdicts = []
for vector in json.load(sys.stdin):
    os.environ["WEBHOOK_SECRETS"] = ",".join(vector["receiver"]["secrets"])
    time.time = lambda: vector["now"]
    scope = {}
    exec(source, scope)
    body = base64.b64decode(vector["body_base64"]) if "body_base64" in vector else vector["body"].encode()
    body = gzip.decompress(body) if body[:2] == b"\\x1f\\x8b" else body
    verdicts.append(bool(scope["is_genuine"](body, vector["headers"])))
print(json.dumps(verdicts))
`

test.skipIf(python === null)("case 60: the guide's Python accepts and refuses as the vectors say", () => {
  const source = /```python\n([\s\S]+?)```/.exec(guide)?.[1]
  const all = JSON.parse(readFileSync(join(root, "contract/vectors/webhooks/verify.json"), "utf8")) as Vector[]
  // Unpacking and parsing are its caller's, and the tolerance is the usual one.
  const vectors = all.filter(
    ({ scheme, receiver, error, stricter }) =>
      scheme === "v1" &&
      receiver.secrets !== undefined &&
      receiver.tolerance_seconds === 300 &&
      !stricter &&
      error !== "invalid-gzip" &&
      error !== "invalid-json",
  )
  const { stdout, stderr, exitCode } = Bun.spawnSync([python as string, "-c", harness, source ?? ""], {
    stdin: Buffer.from(JSON.stringify(vectors)),
  })
  expect(stderr.toString()).toBe("")
  expect(exitCode).toBe(0)
  const verdicts = JSON.parse(stdout.toString()) as boolean[]
  const wrong = vectors.filter(({ error }, index) => verdicts[index] !== (error === null)).map(({ name }) => name)
  expect(wrong).toEqual([])
  expect(new Set(verdicts).size).toBe(2)
})

test("the guide's table of attempts is the schedule", () => {
  const unitsMs = { s: 1_000, min: 60_000, h: 3_600_000 }
  const msOf = (text: string): number => {
    const [, count, unit] = /^([\d.]+) (s|min|h)$/.exec(text) ?? []
    return Number(count) * unitsMs[unit as keyof typeof unitsMs]
  }
  const rows = [...guide.matchAll(/^\| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm)]
  expect(rows.map(([, attempt]) => Number(attempt))).toEqual(
    Array.from({ length: attemptsMax - 1 }, (_, index) => index + 2),
  )
  expect(rows.map(([, , pause = ""]) => msOf(pause))).toEqual([...retryPausesMs])
  let sumMs = 0
  for (const [index, [, , , sum = ""]] of rows.entries()) {
    sumMs += retryPausesMs[index] ?? 0
    expect(Math.abs(msOf(sum) / sumMs - 1)).toBeLessThan(0.05)
  }
})

test("the guide's numbers are the server's", () => {
  const number = (value: number): string => value.toLocaleString("en-US")
  const days = (ms: number): string => `${ms / 86_400_000} days`
  for (const text of [
    `an app has up to ${hookLimits.hooksPerAppMax}`,
    `${limits.timeoutMsMin} to ${number(limits.timeoutMsMax)}, ${number(limits.timeoutMsDefault)} unless set`,
    `${limits.responseBytesMax / 1024} KiB of the answer are read; ${number(limits.responseShownCharsMax)} characters`,
    `up to ${limits.retryAfterMsMax / 3_600_000} hours`,
    `at most ${limits.laneInFlightMax} requests at a time`,
    `${number(limits.laneQueueMax)} deliveries in memory`,
    `under a lease of ${limits.leaseMs / 1_000} seconds`,
    `| ${number(hookLimits.pendingPerHookMax)}; beyond it`,
    `| ${hookLimits.pendingKeptMs / 86_400_000} days (fault \`expired\`)`,
    `| ${days(hookLimits.deadKeptMs)}, ${number(hookLimits.deadPerHookMax)} for each hook`,
    `| ${hookLimits.deliveredKeptMs / 3_600_000} hours, ${number(hookLimits.deliveredPerHookMax)} for each hook`,
    `| ${limits.inFlightMax} from a node`,
    `| secrets of a hook | ${hookLimits.secretsPerHookMax} |`,
    `top of ${limits.asksInFlightMax} questions`,
    `for 1 s, then up to ${limits.awayMsMax / 1_000} s`,
    `${number(hookLimits.beforeMessageSendTimeoutMsDefault)} ms unless`,
  ]) {
    expect(guide).toContain(text)
  }
})

test("the guide's metrics are on the page for Prometheus", () => {
  const page = exposition({
    now: 0,
    backlog: { total: 0, hooks: [] },
    unrelayed: 0,
    sockets: 0,
    engine: { inFlight: 0, queued: 0, lanes: [], counts: { attempts: [], durations } },
    asked: { questions: [], durations },
  })
  const named = [...guide.matchAll(/`(weir_[a-z_]+)`/g)].map(([, name]) => name as string)
  expect(named.length).toBeGreaterThanOrEqual(4)
  for (const name of named) expect(page).toContain(`# TYPE ${name} `)
})

const durations = { buckets: [], sumSeconds: 0, count: 0 }
