// Charts over time, each with the same numbers as a table for those who cannot see it.

import "@mantine/charts/styles.css"
import { AreaChart, BarChart } from "@mantine/charts"
import { Box, VisuallyHidden } from "@mantine/core"

export interface Series {
  /** Key of the points. */
  readonly name: string
  readonly label: string
  readonly color: string
}

/** A moment and the value of each series at it. */
export type Point = Readonly<Record<string, number | null>> & { readonly at: number }

export interface TimeChartProps {
  /** What it shows, as a sentence. */
  title: string
  points: readonly Point[]
  series: readonly Series[]
  /** Bars for counts, areas for levels. */
  kind?: "bar" | "area"
  unit?: string
  height?: number
}

const hourFormat = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
const dayFormat = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "2-digit", hourCycle: "h23" })
const numberFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 2 })
const dayMs = 24 * 60 * 60_000
/** Rows of the table that stands for the chart. */
const readRowsMax = 24

export function TimeChart({ title, points, series, kind = "area", unit = "", height = 200 }: TimeChartProps) {
  const span = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0)
  const format = span > dayMs ? dayFormat : hourFormat
  const data = points.map((point) => ({ ...point, when: format.format(point.at) }))
  const shared = {
    h: height,
    data,
    dataKey: "when",
    series: series.map(({ name, label, color }) => ({ name, label, color })),
    withLegend: series.length > 1,
    valueFormatter: (value: number) => `${numberFormat.format(value)}${unit}`,
    tickLine: "none" as const,
    gridAxis: "x" as const,
    xAxisProps: { minTickGap: 48 },
    yAxisProps: { width: 48 },
  }
  return (
    <Box component="figure" m={0}>
      <div aria-hidden="true">
        {kind === "bar" ? (
          <BarChart {...shared} type="stacked" />
        ) : (
          <AreaChart {...shared} curveType="monotone" withDots={false} strokeWidth={2} fillOpacity={0.15} />
        )}
      </div>
      <VisuallyHidden component="figcaption">
        <table>
          <caption>{title}</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {series.map(({ name, label }) => (
                <th key={name} scope="col">
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.slice(-readRowsMax).map((point) => (
              <tr key={point.at}>
                <th scope="row">{point.when}</th>
                {series.map(({ name }) => {
                  const value = (point as Readonly<Record<string, unknown>>)[name]
                  return (
                    <td key={name}>{typeof value === "number" ? `${numberFormat.format(value)}${unit}` : "no data"}</td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
    </Box>
  )
}
