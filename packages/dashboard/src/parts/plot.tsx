// Draws values over time as SVG: bars that stand on each other, or lines above a shade. What is under the pointer is told
// in words. No more than a chart over time needs, because the overview waits for it.

import { Box, ColorSwatch, Group, Paper, Text } from "@mantine/core"
import { useElementSize } from "@mantine/hooks"
import { type PointerEvent, useState } from "react"
import type { Point, Series } from "./charts.tsx"
import { areaPath, type Bar, barsPath, linePath, runsOf, stack, timeTicks, valueTicks } from "./plot-scale.ts"

export interface PlotProps {
  points: readonly Point[]
  series: readonly Series[]
  kind: "bar" | "area"
  height: number
  /** Words for a moment, and for a value on the axis and in full. */
  timeText: (at: number) => string
  axisText: (value: number) => string
  valueText: (value: number) => string
}

/** Pixels around the drawing, for the words of its axes; on the left the least. */
const room = { top: 8, right: 8, bottom: 24, left: 48 } as const
const valueTicksMax = 4
/** Pixels of a letter on an axis, and of the air around a word. */
const letterWidth = 7
const wordGap = 28
/** Pixels between a value on the axis and the drawing. */
const axisGap = 8
/** Of the room of a bar, what stays free between it and the next. */
const barGapShare = 0.2
const strokeWidth = 2
const dotRadius = 2
const tooltipGap = 12

/** A colour of the theme, such as `teal.6`, as the style sheet knows it. */
const colorOf = (color: string): string => `var(--mantine-color-${color.replace(".", "-")})`

export function Plot({ points, series, kind, height, timeText, axisText, valueText }: PlotProps) {
  const { ref, width } = useElementSize()
  const [pointed, setPointed] = useState<number | null>(null)
  const amountOf = (point: Point, name: string): number | null => point[name] ?? null
  const values = points.flatMap((point) => {
    const each = series.map(({ name }) => amountOf(point, name) ?? 0)
    return kind === "bar" ? [each.reduce((sum, value) => sum + value, 0)] : each
  })
  const largest = values.reduce((max, value) => Math.max(max, value), 0)
  const ticks = valueTicks(largest, valueTicksMax, values.every(Number.isInteger))
  const left = Math.max(room.left, Math.max(...ticks.map((tick) => axisText(tick).length)) * letterWidth + axisGap)
  const inner = { width: Math.max(0, width - left - room.right), height: height - room.top - room.bottom }
  const bottom = room.top + inner.height
  const perUnit = inner.height / (ticks.at(-1) as number)
  const slot = points.length === 0 ? 0 : inner.width / points.length
  const middleOf = (index: number): number => left + (index + 0.5) * slot
  const yOf = (value: number): number => bottom - value * perUnit
  const wordWidth = points.length === 0 ? 0 : timeText((points[0] as Point).at).length * letterWidth
  const words = timeTicks(
    points.map(({ at }) => at),
    Math.floor(inner.width / (wordWidth + wordGap)),
  )
  const follow = (event: PointerEvent<SVGSVGElement>): void => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - left
    const index = Math.floor(x / slot)
    setPointed(index >= 0 && index < points.length ? index : null)
  }
  const shown = pointed === null ? undefined : points[pointed]
  return (
    <Box ref={ref} className="weir-plot-box" h={height}>
      {inner.width === 0 ? null : (
        <svg
          className="weir-plot"
          aria-hidden="true"
          width={width}
          height={height}
          onPointerMove={follow}
          onPointerDown={follow}
          onPointerLeave={() => setPointed(null)}
        >
          {ticks.map((tick) => (
            <g key={tick}>
              <line className="weir-plot-grid" x1={left} x2={width - room.right} y1={yOf(tick)} y2={yOf(tick)} />
              <text x={left - axisGap} y={yOf(tick)} textAnchor="end" dominantBaseline="middle">
                {axisText(tick)}
              </text>
            </g>
          ))}
          {words.map((index) => (
            <text key={index} x={Math.min(middleOf(index), width - wordWidth / 2)} y={height - 6} textAnchor="middle">
              {timeText((points[index] as Point).at)}
            </text>
          ))}
          {pointed === null ? null : (
            <rect
              className="weir-plot-pointed"
              x={left + pointed * slot}
              y={room.top}
              width={slot}
              height={inner.height}
            />
          )}
          {kind === "bar"
            ? bars(points, series, (index) => ({
                x: left + (index + barGapShare / 2) * slot,
                width: slot * (1 - barGapShare),
                bottom,
                perUnit,
              })).map(({ name, color, path }) => <path key={name} d={path} style={{ fill: colorOf(color) }} />)
            : series.map(({ name, color }) => {
                const runs = runsOf(
                  points.map((point, index) => {
                    const value = amountOf(point, name)
                    return { x: middleOf(index), y: value === null ? null : yOf(value) }
                  }),
                )
                return (
                  <g key={name} style={{ fill: colorOf(color), stroke: colorOf(color) }}>
                    <path d={runs.map((run) => areaPath(run, bottom)).join("")} fillOpacity={0.15} stroke="none" />
                    <path d={runs.map(linePath).join("")} fill="none" strokeWidth={strokeWidth} />
                    {runs.map(([only, next]) =>
                      only === undefined || next !== undefined ? null : (
                        <circle key={only.x} cx={only.x} cy={only.y} r={dotRadius} />
                      ),
                    )}
                  </g>
                )
              })}
        </svg>
      )}
      {shown === undefined || pointed === null ? null : (
        <Paper
          className="weir-plot-told"
          withBorder
          shadow="md"
          p="xs"
          style={
            middleOf(pointed) < width / 2
              ? { left: middleOf(pointed) + tooltipGap }
              : { right: width - middleOf(pointed) + tooltipGap }
          }
        >
          <Text size="xs" fw={600} mb={4}>
            {timeText(shown.at)}
          </Text>
          {series.map(({ name, label, color }) => {
            const value = amountOf(shown, name)
            return (
              <Group key={name} gap="xs" justify="space-between" wrap="nowrap">
                <SeriesName label={label} color={color} />
                <Text size="xs" className="weir-number">
                  {value === null ? "–" : valueText(value)}
                </Text>
              </Group>
            )
          })}
        </Paper>
      )}
    </Box>
  )
}

export const SeriesName = ({ label, color }: Pick<Series, "label" | "color">) => (
  <Group gap={6} wrap="nowrap">
    <ColorSwatch color={colorOf(color)} size={10} withShadow={false} />
    <Text size="xs">{label}</Text>
  </Group>
)

/** One path a series, however many bars it has. */
function bars(
  points: readonly Point[],
  series: readonly Series[],
  place: (index: number) => Parameters<typeof stack>[1],
): { name: string; color: string; path: string }[] {
  const stacks = points.map((point, index) =>
    stack(
      series.map(({ name }) => point[name] ?? null),
      place(index),
    ),
  )
  return series.map(({ name, color }, part) => ({
    name,
    color,
    path: barsPath(stacks.map((of) => of[part]).filter((bar): bar is Bar => bar != null)),
  }))
}
