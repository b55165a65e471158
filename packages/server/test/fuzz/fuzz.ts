// Runs a property for a time instead of for a number of inputs: as long as a run of all tests can spare, and for as long
// as somebody likes by hand, with WEIR_FUZZ_SECONDS=600.

import fc from "fast-check"

const fuzzLimits = {
  /** For one fuzzer, where nobody asks for more. */
  secondsDefault: 1,
  /** A day. */
  secondsMax: 86_400,
} as const

/** Seconds that each fuzzer has. Throws RangeError when WEIR_FUZZ_SECONDS is no number of seconds up to a day. */
export const fuzzSeconds = secondsOf(process.env.WEIR_FUZZ_SECONDS)

/** For the tests' own time-outs: what the fuzzer has, and time for shrinking what it found. */
export const fuzzTimeoutMs = fuzzSeconds * 1000 + 30_000

function secondsOf(setting: string | undefined): number {
  if (setting === undefined || setting === "") return fuzzLimits.secondsDefault
  const seconds = Number(setting)
  if (!(seconds > 0 && seconds <= fuzzLimits.secondsMax)) {
    throw new RangeError(`WEIR_FUZZ_SECONDS must be a number of seconds up to ${fuzzLimits.secondsMax}`)
  }
  return seconds
}

/**
 * Tries inputs until the time is over, prints how many, and throws with the smallest counterexample and its seed when
 * one fails. Answers the number of inputs.
 */
export function fuzz<T>(name: string, inputs: fc.Arbitrary<T>, holds: (input: T) => void): number {
  let tried = 0
  const property = fc.property(inputs, (input) => {
    tried += 1
    holds(input)
  })
  fc.assert(property, options())
  return told(name, tried)
}

/** As fuzz, for what has to be waited for. */
export async function fuzzAsync<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => Promise<void>,
): Promise<number> {
  let tried = 0
  const property = fc.asyncProperty(inputs, async (input) => {
    tried += 1
    await holds(input)
  })
  await fc.assert(property, options())
  return told(name, tried)
}

const options = () => ({
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: fuzzSeconds * 1000,
  markInterruptAsFailure: false,
})

function told(name: string, tried: number): number {
  if (tried === 0) throw new Error(`the fuzzer of ${name} tried nothing`)
  console.log(`fuzz ${name}: ${tried} inputs in ${fuzzSeconds} s`)
  return tried
}
