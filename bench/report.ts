// From runs to rows: what a ratio is, and how it is shown.

import type { Latency } from "./load/histogram.ts"
import type { Busy } from "./load/run.ts"

/** One run of one contender. */
export interface Measurement {
  readonly perSecond: number
  readonly busy: Busy | null
  readonly latency: Latency | null
  readonly detail: Record<string, number | boolean>
}

export interface RowPlan {
  /** Letter of the question in bench/README.md, and a number where it has several rows. */
  readonly id: string
  readonly what: string
  readonly unit: string
  /** Names of the two sides, for the table. */
  readonly subject: string
  readonly baseline: string
  /** The ratio that is aimed at; null where none is. */
  readonly aim: number | null
}

export interface Row extends RowPlan {
  /** Medians of the runs. */
  readonly subjectPerSecond: number
  readonly baselinePerSecond: number
  /** Median of the paired ratios of the rates. */
  readonly rateRatio: number
  /** The same, of the rates per second of processor time of the server; null where it is not known. */
  readonly cpuRatio: number | null
  /** The lower of the two, which is what the row claims. */
  readonly ratio: number
  readonly reached: boolean | null
  /** Ratios of the pairs, in their order. */
  readonly pairs: readonly { readonly rate: number; readonly cpu: number | null }[]
  /** Median share of its core that each server was busy. */
  readonly subjectBusy: number | null
  readonly baselineBusy: number | null
  readonly subjectRuns: readonly Measurement[]
  readonly baselineRuns: readonly Measurement[]
}

/**
 * Two ratios, because one alone can flatter. A baseline that its load generator could not fill looks slower than it is:
 * the rate per second of its processor time shows it. A server that waits (for the disk, say) looks faster than it is
 * by its processor time: the plain rate shows it. The row claims the lower one.
 */
export function rowOf(plan: RowPlan, subjectRuns: readonly Measurement[], baselineRuns: readonly Measurement[]): Row {
  if (subjectRuns.length === 0 || subjectRuns.length !== baselineRuns.length) {
    throw new Error(`row ${plan.id}: ${subjectRuns.length} runs beside ${baselineRuns.length}`)
  }
  const pairs = subjectRuns.map((subject, index) => {
    const baseline = baselineRuns[index] as Measurement
    const subjectPerCpu = perCpuSecond(subject)
    const baselinePerCpu = perCpuSecond(baseline)
    return {
      rate: round(subject.perSecond / baseline.perSecond),
      cpu: subjectPerCpu === null || baselinePerCpu === null ? null : round(subjectPerCpu / baselinePerCpu),
    }
  })
  const rateRatio = round(median(pairs.map((pair) => pair.rate)))
  const cpuRatios = pairs.flatMap((pair) => (pair.cpu === null ? [] : [pair.cpu]))
  const cpuRatio = cpuRatios.length < pairs.length ? null : round(median(cpuRatios))
  const ratio = cpuRatio === null ? rateRatio : Math.min(rateRatio, cpuRatio)
  return {
    ...plan,
    subjectPerSecond: Math.round(median(subjectRuns.map((run) => run.perSecond))),
    baselinePerSecond: Math.round(median(baselineRuns.map((run) => run.perSecond))),
    rateRatio,
    cpuRatio,
    ratio,
    reached: plan.aim === null ? null : ratio >= plan.aim,
    pairs,
    subjectBusy: medianBusy(subjectRuns),
    baselineBusy: medianBusy(baselineRuns),
    subjectRuns,
    baselineRuns,
  }
}

function perCpuSecond({ perSecond, busy }: Measurement): number | null {
  return busy === null || busy.server === null || busy.server === 0 ? null : perSecond / busy.server
}

function medianBusy(runs: readonly Measurement[]): number | null {
  const shares = runs.flatMap((run) => (run.busy?.server == null ? [] : [run.busy.server]))
  return shares.length < runs.length ? null : round(median(shares))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** A Markdown table, so that it can be pasted into the README as it is. */
export function tableOf(rows: readonly Row[]): string {
  const head = ["row", "what", "subject", "baseline", "ratio", "aim", "", "by rate", "by cpu", "p99", "servers busy"]
  const body = rows.map((row) => [
    row.id,
    row.what,
    `${row.subject} ${thousands(row.subjectPerSecond)} ${row.unit}`,
    `${row.baseline} ${thousands(row.baselinePerSecond)}`,
    ratioText(row.ratio),
    row.aim === null ? "" : `≥ ${row.aim}`,
    row.reached === null ? "" : row.reached ? "reached" : "missed",
    ratioText(row.rateRatio),
    row.cpuRatio === null ? "" : ratioText(row.cpuRatio),
    p99Text(row.subjectRuns),
    row.subjectBusy === null || row.baselineBusy === null
      ? ""
      : `${percent(row.subjectBusy)} / ${percent(row.baselineBusy)}`,
  ])
  const widths = head.map((title, column) =>
    Math.max(...[head, ...body].map((cells) => (cells[column] ?? title).length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

function p99Text(runs: readonly Measurement[]): string {
  const values = runs.flatMap((run) => (run.latency === null ? [] : [run.latency.p99Us]))
  return values.length === 0 ? "" : `${(median(values) / 1000).toFixed(1)} ms`
}

const ratioText = (ratio: number): string => (ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2))
const percent = (share: number): string => `${Math.round(share * 100)} %`
const thousands = (value: number): string => value.toLocaleString("en-US")
const round = (value: number): number => Math.round(value * 1000) / 1000
