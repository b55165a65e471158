import { expect, test } from "bun:test"
import { durationBounds } from "../../events/webhooks/durations.ts"
import { escaped, exposition, type Measured } from "./rules.ts"

const hookId = "0198a0d5-0000-7000-8000-000000000001"
const measured: Measured = {
  now: 10_000,
  backlog: { hooks: [{ appId: 7, hookId, total: 5, createdAt: 2_500 }], total: 12 },
  unrelayed: 3,
  sockets: 4,
  engine: {
    inFlight: 1,
    queued: 2,
    lanes: [{ circuit: "open" }, { circuit: "closed" }],
    counts: {
      attempts: [{ kind: "webhook", result: "retry", fault: "timeout", total: 6 }],
      durations: { buckets: [1, 0, 2, ...new Array(durationBounds.length - 3).fill(0), 4], sumSeconds: 1.5, count: 7 },
    },
  },
  asked: {
    questions: [{ purpose: "before-message-send", result: "failed", outcome: "timeout", total: 8 }],
    durations: { buckets: new Array(durationBounds.length + 1).fill(0), sumSeconds: 0, count: 0 },
  },
}

test("each family has its help, its type and its samples, and the page ends with a line feed", () => {
  const lines = exposition(measured).split("\n")
  expect(lines.at(-1)).toBe("")
  for (const line of [
    "# TYPE weir_webhook_attempts_total counter",
    'weir_webhook_attempts_total{kind="webhook",result="retry",fault="timeout"} 6',
    'weir_webhook_questions_total{purpose="before-message-send",result="failed",outcome="timeout"} 8',
    "weir_webhook_in_flight 1",
    "weir_webhook_queued 2",
    "weir_webhook_failing_receivers 1",
    `weir_webhook_backlog{app="7",hook="${hookId}"} 5`,
    'weir_webhook_backlog{app="other",hook="other"} 7',
    `weir_webhook_oldest_pending_seconds{app="7",hook="${hookId}"} 7.5`,
    "weir_sockets 4",
    "weir_outbox_unrelayed 3",
  ]) {
    expect(lines).toContain(line)
  }
  const families = lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" ")[2])
  expect(new Set(families).size).toBe(families.length)
  for (const name of families) expect(lines.some((line) => line.startsWith(`# HELP ${name} `))).toBe(true)
})

test("buckets of a histogram count everything up to their bound, and the last one everything", () => {
  const buckets = [...exposition(measured).matchAll(/attempt_duration_seconds_bucket\{le="([^"]+)"\} (\d+)/g)]
  expect(buckets.map(([, le]) => le)).toEqual([...durationBounds.map(String), "+Inf"])
  const counts = buckets.map(([, , total]) => Number(total))
  expect(counts).toEqual([1, 1, ...new Array(durationBounds.length - 2).fill(3), 7])
  expect(exposition(measured)).toContain("attempt_duration_seconds_sum 1.5\n")
})

test("a label's value cannot leave its quotes or its line", () => {
  expect(escaped('a"b\\c\nd')).toBe('a\\"b\\\\c\\nd')
})
