// Numbers in the text exposition format of Prometheus, version 0.0.4 (prometheus.io, «Exposition formats»). Pure. Labels
// hold ids and words of our own, and the number of series is bounded by whoever hands them in.

import type { AskCounts } from "../../events/webhooks/ask-counts.ts"
import { type Durations, durationBounds } from "../../events/webhooks/durations.ts"
import type { EngineCounts } from "../../events/webhooks/engine-counts.ts"
import type { Backlog } from "./store.ts"

/** What is measured. Counts of the engine and the sockets are of this node, since it began. */
export interface Measured {
  /** In milliseconds since 1970. */
  readonly now: number
  readonly backlog: Backlog
  readonly unrelayed: number
  readonly sockets: number
  readonly engine: {
    readonly inFlight: number
    readonly queued: number
    readonly lanes: readonly { readonly circuit: "closed" | "open" }[]
    readonly counts: EngineCounts
  }
  readonly asked: AskCounts
}

interface Sample {
  /** Behind the family's name. */
  readonly suffix?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

interface Family {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly help: string
  readonly samples: readonly Sample[]
}

/** The whole page, each family with its help and type. */
export function exposition(measured: Measured): string {
  return familiesOf(measured).map(textOf).join("")
}

function familiesOf({ now, backlog, unrelayed, sockets, engine, asked }: Measured): Family[] {
  const rest = backlog.total - backlog.hooks.reduce((sum, { total }) => sum + total, 0)
  const labelsOf = ({ appId, hookId }: Backlog["hooks"][number]) => ({ app: String(appId), hook: hookId })
  const waiting = backlog.hooks.map((hook) => ({ labels: labelsOf(hook), value: hook.total }))
  return [
    {
      name: "weir_webhook_attempts_total",
      type: "counter",
      help: "Attempts to deliver an event, by kind of target, result and fault; of this node.",
      samples: engine.counts.attempts.map(({ kind, result, fault, total }) => ({
        labels: { kind, result, fault },
        value: total,
      })),
    },
    {
      name: "weir_webhook_attempt_duration_seconds",
      type: "histogram",
      help: "How long attempts took; of this node.",
      samples: histogram(engine.counts.durations),
    },
    {
      name: "weir_webhook_questions_total",
      type: "counter",
      help: "Questions to backends, by purpose, result and what came of them; of this node.",
      samples: asked.questions.map(({ purpose, result, outcome, total }) => ({
        labels: { purpose, result, outcome },
        value: total,
      })),
    },
    {
      name: "weir_webhook_question_duration_seconds",
      type: "histogram",
      help: "How long backends took to answer a question, or to fail; of this node.",
      samples: histogram(asked.durations),
    },
    {
      name: "weir_webhook_in_flight",
      type: "gauge",
      help: "Deliveries on their way from this node.",
      samples: [{ value: engine.inFlight }],
    },
    {
      name: "weir_webhook_queued",
      type: "gauge",
      help: "Deliveries that wait in the memory of this node.",
      samples: [{ value: engine.queued }],
    },
    {
      name: "weir_webhook_failing_receivers",
      type: "gauge",
      help: "Hooks whose receiver gets one delivery at a time from this node, because it fails.",
      samples: [{ value: engine.lanes.filter(({ circuit }) => circuit === "open").length }],
    },
    {
      name: "weir_webhook_backlog",
      type: "gauge",
      help: "Deliveries that wait or are on their way, in the whole deployment; hooks with few share the label other.",
      samples: rest > 0 ? [...waiting, { labels: { app: "other", hook: "other" }, value: rest }] : waiting,
    },
    {
      name: "weir_webhook_oldest_pending_seconds",
      type: "gauge",
      help: "Age of the oldest event that waits for a hook, in the whole deployment.",
      samples: backlog.hooks.map((hook) => ({
        labels: labelsOf(hook),
        value: Math.max(0, (now - hook.createdAt) / 1000),
      })),
    },
    {
      name: "weir_sockets",
      type: "gauge",
      help: "Open sockets of this node.",
      samples: [{ value: sockets }],
    },
    {
      name: "weir_outbox_unrelayed",
      type: "gauge",
      help: "Events that no node has told yet, in the whole deployment; counted up to a bound.",
      samples: [{ value: unrelayed }],
    },
  ]
}

/** Buckets of Prometheus count everything up to their bound, the engine's only what is between two. */
function histogram({ buckets, sumSeconds, count }: Durations): Sample[] {
  let upTo = 0
  const cumulative = durationBounds.map((bound, index) => {
    upTo += buckets[index] ?? 0
    return { suffix: "_bucket", labels: { le: String(bound) }, value: upTo }
  })
  return [
    ...cumulative,
    { suffix: "_bucket", labels: { le: "+Inf" }, value: count },
    { suffix: "_sum", value: sumSeconds },
    { suffix: "_count", value: count },
  ]
}

// A family without samples still says that it is there, with its type.
const textOf = ({ name, type, help, samples }: Family): string =>
  [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map((sample) => lineOf(name, sample)), ""].join("\n")

function lineOf(name: string, { suffix = "", labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
  return `${name}${suffix}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`
}

/** A label's value: backslash, quote and line feed are escaped. */
export const escaped = (text: string): string =>
  text.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`))
