// Rows that compare how long something takes, where report.ts compares how much of it is done per second.

import { median } from "./report.ts"

/** One run, in the unit of its row. `p99`: null where the run tells no more than a typical time. */
export interface Times {
  readonly p50: number
  readonly p99: number | null
  readonly detail: Record<string, number>
}

export interface TimePlan {
  /** Letter of the question in bench/README.md, and a number where it has several rows. */
  readonly id: string
  readonly what: string
  readonly unit: "ns" | "ms"
  readonly subject: string
  readonly baseline: string
  /** The most that is aimed at; null where nothing is. */
  readonly aim: TimeAim | null
}

export interface TimeAim {
  /** A time of the subject in the row's unit, or how many times the baseline's p50 or p99 it takes. */
  readonly of: "p50" | "p99" | "p50Ratio" | "p99Ratio"
  readonly max: number
}

export interface TimeRow extends TimePlan {
  /** Medians of the runs. */
  readonly subjectTimes: Omit<Times, "detail">
  readonly baselineTimes: Omit<Times, "detail">
  /** Medians of the paired ratios: so many times as long as the baseline. */
  readonly p50Ratio: number
  readonly p99Ratio: number | null
  readonly reached: boolean | null
  readonly subjectRuns: readonly Times[]
  readonly baselineRuns: readonly Times[]
}

/** Pairs the runs by their order. Throws when some have no partner. */
export function timeRowOf(plan: TimePlan, subjectRuns: readonly Times[], baselineRuns: readonly Times[]): TimeRow {
  if (subjectRuns.length === 0 || subjectRuns.length !== baselineRuns.length) {
    throw new Error(`row ${plan.id}: ${subjectRuns.length} runs beside ${baselineRuns.length}`)
  }
  const pairs = subjectRuns.map((subject, index) => [subject, baselineRuns[index] as Times] as const)
  const p99Ratios = pairs.flatMap(([subject, baseline]) =>
    subject.p99 === null || baseline.p99 === null ? [] : [subject.p99 / baseline.p99],
  )
  const subjectTimes = timesOf(subjectRuns)
  const p50Ratio = round(median(pairs.map(([subject, baseline]) => subject.p50 / baseline.p50)))
  const p99Ratio = p99Ratios.length < pairs.length ? null : round(median(p99Ratios))
  return {
    ...plan,
    subjectTimes,
    baselineTimes: timesOf(baselineRuns),
    p50Ratio,
    p99Ratio,
    reached: reached(plan.aim, { ...subjectTimes, p50Ratio, p99Ratio }),
    subjectRuns,
    baselineRuns,
  }
}

function reached(aim: TimeAim | null, found: Record<TimeAim["of"], number | null>): boolean | null {
  const value = aim === null ? null : found[aim.of]
  return aim === null || value === null ? null : value <= aim.max
}

function timesOf(runs: readonly Times[]): Omit<Times, "detail"> {
  const p99s = runs.flatMap(({ p99 }) => (p99 === null ? [] : [p99]))
  return {
    p50: round(median(runs.map(({ p50 }) => p50))),
    p99: p99s.length < runs.length ? null : round(median(p99s)),
  }
}

/** Quantiles of single times (at least one), each exact. Of few times the p99 is the longest. */
export function quantilesOf(times: readonly number[]): { p50: number; p99: number } {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (quantile: number): number => sorted[Math.max(0, Math.ceil(sorted.length * quantile) - 1)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

/** A Markdown table, so that it can be pasted into the README as it is. */
export function timeTableOf(rows: readonly TimeRow[]): string {
  const head = ["row", "what", "subject", "p50", "p99", "baseline", "p50", "p99", "× p50", "× p99", "aim", ""]
  const body = rows.map((row) => [
    row.id,
    row.what,
    row.subject,
    timeText(row.subjectTimes.p50, row.unit),
    timeText(row.subjectTimes.p99, row.unit),
    row.baseline,
    timeText(row.baselineTimes.p50, row.unit),
    timeText(row.baselineTimes.p99, row.unit),
    ratioText(row.p50Ratio),
    ratioText(row.p99Ratio),
    aimText(row),
    row.reached === null ? "" : row.reached ? "reached" : "missed",
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

const timeText = (time: number | null, unit: TimePlan["unit"]): string =>
  time === null
    ? ""
    : `${unit === "ms" ? time.toFixed(time < 10 ? 2 : 1) : Math.round(time).toLocaleString("en-US")} ${unit}`
const ratioText = (ratio: number | null): string => (ratio === null ? "" : ratio.toFixed(ratio >= 10 ? 1 : 2))
const aimText = ({ aim, unit }: TimeRow): string =>
  aim === null
    ? ""
    : aim.of === "p50Ratio" || aim.of === "p99Ratio"
      ? `× ${aim.of.slice(0, 3)} ≤ ${aim.max}`
      : `${aim.of} ≤ ${aim.max.toLocaleString("en-US")} ${unit}`
const round = (value: number): number => Math.round(value * 1000) / 1000
