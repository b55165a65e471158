// The server's points as the charts take them, and the words for what they count.

import type { CallOutput } from "../../api/client.ts"
import type { Point, Series } from "../../parts/charts.tsx"

export type Traffic = CallOutput<"ListTraffic">
export type TrafficNumbers = Traffic["totals"]

/** Refusals that get a colour of their own; the rest is one. */
const reasonsShownMax = 6
const otherReasons = "other"

export const requestSeries: readonly Series[] = [
  { name: "succeeded", label: "Succeeded", color: "teal.6" },
  { name: "refused", label: "Refused (4xx)", color: "yellow.6" },
  { name: "failed", label: "Failed (5xx)", color: "red.6" },
]
export const latencySeries: readonly Series[] = [
  { name: "p50", label: "p50", color: "cyan.4" },
  { name: "p95", label: "p95", color: "cyan.7" },
  { name: "p99", label: "p99", color: "grape.6" },
]
export const socketSeries: readonly Series[] = [{ name: "open", label: "Open", color: "cyan.6" }]
export const deliverySeries: readonly Series[] = [
  { name: "delivered", label: "Delivered", color: "teal.6" },
  { name: "undelivered", label: "Failed", color: "red.6" },
]
const reasonColors = ["red.6", "orange.6", "yellow.6", "grape.6", "indigo.6", "pink.6"]

/** A point for each step; where nothing was answered there is no latency. */
export const pointsOf = (points: Traffic["points"]): Point[] =>
  points.map((point) => ({
    at: Date.parse(point.at),
    succeeded: point.succeeded,
    refused: point.refused,
    failed: point.failed,
    p50: point.p50_ms,
    p95: point.p95_ms,
    p99: point.p99_ms,
    open: point.sockets_open,
    delivered: point.deliveries_succeeded,
    undelivered: point.deliveries_failed,
  }))

/** Refusals by reason: the commonest each as a series, the others together. */
export function refusalsOf({ points, totals }: Pick<Traffic, "points" | "totals">): {
  points: Point[]
  series: Series[]
} {
  const common = Object.entries(totals.refusals)
    .filter(([reason]) => reason !== otherReasons)
    .sort(([, a], [, b]) => b - a)
    .slice(0, reasonsShownMax)
    .map(([reason]) => reason)
  const shown = points.map(({ at, refusals }) => {
    const counts = common.map((reason) => [reason, refusals[reason] ?? 0] as const)
    const all = Object.values(refusals).reduce((sum, count) => sum + count, 0)
    const rest = all - counts.reduce((sum, [, count]) => sum + count, 0)
    return { at: Date.parse(at), ...Object.fromEntries(counts), [otherReasons]: rest }
  })
  const hasRest = shown.some((point) => (point as Record<string, number>)[otherReasons] !== 0)
  const series = common.map((name, index) => ({
    name,
    label: reasonText(name),
    color: reasonColors[index % reasonColors.length] as string,
  }))
  if (hasRest) series.push({ name: otherReasons, label: "Other", color: "gray.6" })
  return { points: shown as Point[], series }
}

/** «not allowed: grant» of `notAllowed/grant`. */
export function reasonText(reason: string): string {
  const [error = "", check] = reason.split("/")
  const words = error.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
  return check === undefined || check.replace("-", " ") === words ? words : `${words}: ${check}`
}

const wholes = new Intl.NumberFormat("en")
const shorts = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })
const parts = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 })
const milliseconds = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })
const compactFrom = 100_000

export const countText = (count: number): string => (count < compactFrom ? wholes : shorts).format(count)
export const shareText = (part: number, of: number): string => (of === 0 ? "–" : parts.format(part / of))
export const msText = (ms: number | null): string => (ms === null ? "–" : `${milliseconds.format(ms)} ms`)
