import { expect, test } from "bun:test"
import { type Circuit, createCircuit } from "./circuit.ts"
import { limits } from "./limits.ts"

/** A circuit that has opened at `nowMs`. */
function opened(nowMs: number): Circuit {
  const circuit = createCircuit()
  for (let failure = 1; failure < limits.failuresUntilOpen; failure++) {
    expect(circuit.heard("retry", nowMs, nowMs)).toBeNull()
  }
  expect(circuit.heard("retry", nowMs, nowMs)).toBe("opened")
  return circuit
}

test("a receiver counts as failing after so many failures in a row, and no longer once it answers", () => {
  const circuit = createCircuit()
  for (let round = 0; round < 3; round++) {
    for (let failure = 1; failure < limits.failuresUntilOpen; failure++) circuit.heard("retry", 1, 1)
    expect(circuit.heard("delivered", 1, 1)).toBeNull()
  }
  expect(circuit.failingSinceMs).toBeNull()
  const failing = opened(5)
  expect(failing.failingSinceMs).toBe(5)
  expect(failing.heard("delivered", 6, 7)).toBe("closed")
  expect(failing.failingSinceMs).toBeNull()
})

test("what is refused says nothing of the receiver", () => {
  const circuit = createCircuit()
  for (let round = 0; round < 2 * limits.failuresUntilOpen; round++) {
    expect(circuit.heard("refused", 1, 1)).toBeNull()
  }
  expect(circuit.failingSinceMs).toBeNull()
})

test("the pause before a probe doubles with each that fails, up to a bound, and begins anew when it closes", () => {
  let nowMs = 1_000
  const circuit = opened(nowMs)
  const pauses: number[] = []
  for (let pauseMs: number = limits.probePauseMsMin; pauses.length < 8; pauses.push(pauseMs)) {
    if (pauses.length > 0) pauseMs = Math.min(pauseMs * 2, limits.probePauseMsMax)
    expect(circuit.mayProbe(nowMs + pauseMs - 1)).toBe(false)
    expect(circuit.mayProbe(nowMs + pauseMs)).toBe(true)
    nowMs += pauseMs
    circuit.heard("retry", nowMs, nowMs)
  }
  expect(pauses.at(-1)).toBe(limits.probePauseMsMax)
  circuit.reset()
  for (let failure = 0; failure < limits.failuresUntilOpen; failure++) circuit.heard("gone", nowMs, nowMs)
  expect(circuit.mayProbe(nowMs + limits.probePauseMsMin)).toBe(true)
})

test("those on their way when it began to fail are no probes", () => {
  const circuit = opened(1_000)
  circuit.heard("retry", 1_000, 1_500)
  expect(circuit.mayProbe(1_000 + limits.probePauseMsMin)).toBe(true)
})
