// Charts over time, each with the same numbers as a table for those who cannot see it.

import { Box, Group, VisuallyHidden } from "@mantine/core"
import { Plot, SeriesName } from "./plot.tsx"

export interface Series {
  /** Key of the points. */
  readonly name: string
  readonly label: string
  /** Colour and shade of the theme, such as `teal.6`. */
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
  /** Names below the drawing; without it where there is more than one. */
  legend?: boolean
}

const hourFormat = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
const dayFormat = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "2-digit", hourCycle: "h23" })
const numberFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 2 })
const compactFormat = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })
/** From here a number is too long for the axis. */
const compactFrom = 10_000
const dayMs = 24 * 60 * 60_000
/** Rows of the table that stands for the chart. */
const readRowsMax = 24

export function TimeChart({
  title,
  points,
  series,
  kind = "area",
  unit = "",
  height = 200,
  legend = series.length > 1,
}: TimeChartProps) {
  const span = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0)
  const format = span > dayMs ? dayFormat : hourFormat
  const timeText = (at: number): string => format.format(at)
  const valueText = (value: number): string => `${numberFormat.format(value)}${unit}`
  return (
    <Box component="figure" m={0}>
      <div aria-hidden="true">
        <Plot
          points={points}
          series={series}
          kind={kind}
          height={height}
          timeText={timeText}
          axisText={(value) => `${(value < compactFrom ? numberFormat : compactFormat).format(value)}${unit}`}
          valueText={valueText}
        />
      </div>
      {legend ? <Legend series={series} /> : null}
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
            {points.slice(-readRowsMax).map((point) => (
              <tr key={point.at}>
                <th scope="row">{timeText(point.at)}</th>
                {series.map(({ name }) => {
                  const value = point[name]
                  return <td key={name}>{typeof value === "number" ? valueText(value) : "no data"}</td>
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
    </Box>
  )
}

const Legend = ({ series }: { series: readonly Series[] }) => (
  <Group gap="xs" mt="xs" aria-hidden="true">
    {series.map(({ name, label, color }) => (
      <SeriesName key={name} label={label} color={color} />
    ))}
  </Group>
)
