import { afterEach, expect, test } from "bun:test"
import { deliveryTo, nowMs, webhookId } from "../../../test/queues.ts"
import { limits } from "./limits.ts"
import { createListenSender, type ListenAnswer, type ListenSender, type ListenStream } from "./listen-sender.ts"

const delivery = (more: Parameters<typeof deliveryTo>[1] = {}) =>
  deliveryTo({ kind: "listen", nodeId: "abcdefghijkl" }, more)
const hookId = delivery().hook.id

const senders: ListenSender[] = []
afterEach(async () => {
  for (const sender of senders.splice(0)) await sender.close()
})
function opened(): { sender: ListenSender; stream: ListenStream } {
  const sender = createListenSender()
  senders.push(sender)
  return { sender, stream: sender.open(hookId) }
}
const answer = (more: Partial<ListenAnswer> = {}): ListenAnswer => ({
  id: webhookId,
  attempt: delivery().attempt,
  status: 200,
  headers: {},
  body: "",
  durationMs: null,
  error: null,
  ...more,
})

test("a delivery goes into the stream, and the answer makes its outcome", async () => {
  const { sender, stream } = opened()
  const given = delivery()
  const sending = sender.send(given, nowMs)
  const line = await stream.next(1_000)
  expect(line).toMatchObject({ id: webhookId, attempt: given.attempt, body: given.body })
  expect(line?.headers["content-type"]).toBe("application/json")
  expect(line?.headers["x-signature"]).toMatch(/^[0-9a-f]{64}$/)
  expect(sender.answer(hookId, answer({ attempt: given.attempt + 1 }))).toBe(false)
  expect(sender.answer("another", answer())).toBe(false)
  expect(sender.answer(hookId, answer({ headers: { "x-a": "1", "set-cookie": "s=1" }, body: "ok" }))).toBe(true)
  expect(await sending).toMatchObject({
    result: "delivered",
    status: 200,
    fault: null,
    request: { target: "listener", headers: line?.headers },
    response: { headers: { "x-a": "1" }, body: "ok" },
  })
  expect(sender.answer(hookId, answer())).toBe(false)
})

test.each([
  [{ status: 204 }, { result: "delivered", status: 204, fault: null }],
  [{ status: 302 }, { result: "retry", status: 302, fault: "redirect" }],
  [{ status: 404 }, { result: "retry", status: 404, fault: "status" }],
  [
    { status: 429, headers: { "retry-after": "7" } },
    { result: "retry", status: 429, retryAfterMs: 7_000 },
  ],
  [
    { status: 503, headers: { "retry-after": "99999999" } },
    { result: "retry", retryAfterMs: limits.retryAfterMsMax },
  ],
  [
    { status: 503, headers: { "retry-after": "soon" } },
    { result: "retry", retryAfterMs: null },
  ],
  // The third form of a date (RFC 9110 §5.6.7), which names no zone; one that has passed is no wait.
  [
    { status: 503, headers: { "retry-after": "Fri Jan 15 07:00:00 2027" } },
    { result: "retry", retryAfterMs: 0 },
  ],
  [{ status: 410 }, { result: "refused", status: 410, fault: "gone" }],
  [
    { status: null, error: "refused" },
    { result: "retry", status: null, fault: "connect", response: null },
  ],
] as const)("%j becomes %j", async (given, outcome) => {
  const { sender, stream } = opened()
  const sending = sender.send(delivery(), nowMs)
  await stream.next(1_000)
  sender.answer(hookId, answer(given))
  expect(await sending).toMatchObject(outcome)
})

test("the time is that of the receiver, and never more than passed here", async () => {
  const { sender, stream } = opened()
  for (const [durationMs, most] of [
    [0, 0],
    [60_000, 1_000],
  ] as const) {
    const sending = sender.send(delivery(), nowMs)
    await stream.next(1_000)
    sender.answer(hookId, answer({ durationMs }))
    expect((await sending).durationMs).toBeLessThanOrEqual(most)
  }
})

test("without an answer in time it is tried again, and does not travel any more", async () => {
  const { sender, stream } = opened()
  const given = delivery()
  const outcome = await sender.send({ ...given, hook: { ...given.hook, timeoutMs: 20 } }, nowMs)
  expect(outcome).toMatchObject({ result: "retry", status: null, fault: "timeout" })
  expect(sender.answer(hookId, answer())).toBe(false)
  expect(await stream.next(1)).toBeNull()
})

test("when nobody listens any more, what waits is refused and the reader is told", async () => {
  const { sender, stream } = opened()
  const sending = sender.send(delivery(), nowMs)
  await stream.next(1_000)
  const reading = stream.next(60_000)
  stream.end()
  expect(await reading).toBeNull()
  expect(stream.isEnded).toBe(true)
  expect(sender.openCount).toBe(0)
  expect(await sending).toMatchObject({ result: "refused", fault: "gone" })
  expect(await sender.send(delivery(), nowMs)).toMatchObject({ result: "refused", fault: "gone" })
})

test("a listener that answers nothing holds a bounded number", async () => {
  const { sender } = opened()
  const sendings = Array.from({ length: limits.laneInFlightMax }, (_, n) =>
    sender.send(delivery({ webhookId: `msg_${n}-x` }), nowMs),
  )
  expect(await sender.send(delivery(), nowMs)).toMatchObject({ result: "retry", fault: "busy" })
  await sender.close()
  for (const outcome of await Promise.all(sendings)) expect(outcome.result).toBe("refused")
})

test("a hook of another kind is refused", async () => {
  const { sender } = opened()
  const other = deliveryTo({ kind: "webhook", url: "https://example.com" })
  expect(await sender.send(other, nowMs)).toMatchObject({ result: "refused", fault: "target" })
})
