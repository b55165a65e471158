// What the charts work out before they draw: ticks of both axes, stacks, and paths of SVG. Pure.

/** A pair of pixels; `y` is null where there is nothing to draw. */
export interface Spot {
  readonly x: number
  readonly y: number | null
}

/** A box of a stack, in pixels from its upper left corner. */
export interface Bar {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** What people count in. */
const roundSteps = [1, 2, 2.5, 5, 10] as const
/** What is not nothing is seen, however little it is beside the rest. */
const barHeightMin = 1

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const timeSteps = [1, 2, 5, 10, 15, 30]
  .map((minutes) => minutes * minuteMs)
  .concat([1, 2, 3, 6, 12].map((hours) => hours * hourMs))
  .concat([1, 2, 7, 14, 28].map((days) => days * dayMs))

/**
 * Values from 0 to the first round one at or above `max`, at most `ticksMax` steps apart. Whole numbers only where
 * `isWhole`: nobody makes half a request.
 */
export function valueTicks(max: number, ticksMax: number, isWhole: boolean): number[] {
  if (!(max > 0)) return [0, 1]
  const least = max / ticksMax
  const size = 10 ** Math.floor(Math.log10(least))
  const fits = (step: number): boolean => step * size >= least && (!isWhole || Number.isInteger(step * size))
  const found = (roundSteps.find(fits) ?? 10) * size
  const step = isWhole ? Math.max(1, Math.round(found)) : found
  const count = Math.ceil(max / step - 1e-9)
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

/**
 * Indexes of the moments that get a word on the axis: where a round time of the reader's clock begins, at most `ticksMax`
 * of them. `times` are milliseconds in order.
 */
export function timeTicks(times: readonly number[], ticksMax: number): number[] {
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0)
  if (times.length === 0 || ticksMax < 1) return []
  const step = timeSteps.find((size) => span / size < ticksMax) ?? Math.ceil(span / ticksMax / dayMs) * dayMs
  const bucketOf = (at: number): number => Math.floor((at - new Date(at).getTimezoneOffset() * minuteMs) / step)
  const ticks: number[] = []
  for (const [index, at] of times.entries()) {
    const previous = times[index - 1]
    // The first moment begins nothing that is seen, unless it stands exactly where something begins.
    const begins = previous === undefined ? (at - new Date(at).getTimezoneOffset() * minuteMs) % step === 0 : true
    if (begins && (previous === undefined || bucketOf(previous) !== bucketOf(at))) ticks.push(index)
  }
  return ticks.slice(0, ticksMax)
}

/** One stack: a bar for each value from the bottom up, null for nothing. `bottom` and `perUnit` are pixels. */
export function stack(
  values: readonly (number | null)[],
  { x, width, bottom, perUnit }: { x: number; width: number; bottom: number; perUnit: number },
): (Bar | null)[] {
  let y = bottom
  return values.map((value) => {
    if (value === null || value <= 0) return null
    const height = Math.max(barHeightMin, value * perUnit)
    y -= height
    return { x, y, width, height }
  })
}

const pixels = (value: number): string => String(Math.round(value * 100) / 100)

/** A path of boxes. */
export const barsPath = (bars: readonly Bar[]): string =>
  bars
    .map(
      ({ x, y, width, height }) => `M${pixels(x)} ${pixels(y)}h${pixels(width)}v${pixels(height)}h${pixels(-width)}z`,
    )
    .join("")

/** Runs of spots that have a value: what is between them is not known, and no line pretends that it is. */
export function runsOf(spots: readonly Spot[]): { readonly x: number; readonly y: number }[][] {
  const runs: { readonly x: number; readonly y: number }[][] = []
  let isOpen = false
  for (const { x, y } of spots) {
    if (y === null) {
      isOpen = false
      continue
    }
    if (isOpen) runs.at(-1)?.push({ x, y })
    else runs.push([{ x, y }])
    isOpen = true
  }
  return runs
}

/**
 * A smooth path through the spots that never leaves the range between two neighbours, so that no value is drawn that was
 * not measured (F. N. Fritsch and R. E. Carlson, «Monotone Piecewise Cubic Interpolation», 1980).
 */
export function linePath(run: readonly { readonly x: number; readonly y: number }[]): string {
  const [first, ...rest] = run
  if (first === undefined) return ""
  const slopes = run.slice(1).map(({ x, y }, index) => {
    const from = run[index] as { x: number; y: number }
    return (y - from.y) / (x - from.x)
  })
  const tangents = run.map((_, index) => {
    const before = slopes[index - 1] ?? slopes[0] ?? 0
    const after = slopes[index] ?? before
    // At a peak or a valley the curve lies flat; elsewhere it is as steep as three times the flatter side at most.
    if (before * after <= 0) return 0
    const mean = (before + after) / 2
    return Math.sign(mean) * Math.min(Math.abs(mean), 3 * Math.abs(before), 3 * Math.abs(after))
  })
  let path = `M${pixels(first.x)} ${pixels(first.y)}`
  for (const [index, { x, y }] of rest.entries()) {
    const from = run[index] as { x: number; y: number }
    const third = (x - from.x) / 3
    const leaving = from.y + third * (tangents[index] as number)
    const arriving = y - third * (tangents[index + 1] as number)
    path += `C${pixels(from.x + third)} ${pixels(leaving)} ${pixels(x - third)} ${pixels(arriving)} ${pixels(x)} ${pixels(y)}`
  }
  return path
}

/** The same, closed along the bottom. */
export function areaPath(run: readonly { readonly x: number; readonly y: number }[], bottom: number): string {
  const first = run[0]
  const last = run.at(-1)
  if (first === undefined || last === undefined) return ""
  return `${linePath(run)}L${pixels(last.x)} ${pixels(bottom)}L${pixels(first.x)} ${pixels(bottom)}z`
}
