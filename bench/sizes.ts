// Rows that say how much something weighs, beside a promise instead of a baseline.

import { median } from "./report.ts"

export interface SizePlan {
  /** Letter of the question in bench/README.md, and a number where it has several rows. */
  readonly id: string
  readonly what: string
  /** The most that is promised, in bytes; null where nothing is. */
  readonly bytesMax: number | null
}

/** One run. */
export interface Size {
  readonly bytes: number
  readonly answers: number
}

export interface SizeRow extends SizePlan {
  /** Medians of the runs. */
  readonly bytes: number
  readonly answers: number
  readonly reached: boolean | null
  readonly runs: readonly Size[]
}

/** Throws when there is no run. */
export function sizeRowOf(plan: SizePlan, runs: readonly Size[]): SizeRow {
  if (runs.length === 0) throw new Error(`row ${plan.id}: no runs`)
  const bytes = median(runs.map((run) => run.bytes))
  return {
    ...plan,
    bytes,
    answers: median(runs.map(({ answers }) => answers)),
    reached: plan.bytesMax === null ? null : bytes <= plan.bytesMax,
    runs,
  }
}

/** A Markdown table, so that it can be pasted into the README as it is. */
export function sizeTableOf(rows: readonly SizeRow[]): string {
  const head = ["row", "what", "over the wire", "answers", "aim", ""]
  const body = rows.map(({ id, what, bytes, answers, bytesMax, reached }) => [
    id,
    what,
    kilobytes(bytes),
    String(answers),
    bytesMax === null ? "" : `≤ ${kilobytes(bytesMax)}`,
    reached === null ? "" : reached ? "reached" : "missed",
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

const kilobytes = (bytes: number): string => `${Math.round(bytes / 1_000)} kB`
