// The log: one JSON object per line for machines, or one readable line on a terminal. What goes in is bounded in
// size and freed of secrets here, so that no caller has to think of it and none can forget.

import { limits } from "./limits.ts"

const levels = ["debug", "info", "warn", "error"] as const
export type LogLevel = (typeof levels)[number]

/** Further values of a line. `cause` is the usual place for an error. */
export type LogFields = Readonly<Record<string, unknown>>

/** Each level takes one plain sentence and what belongs to it. Never throws. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>

export interface LoggerOptions {
  /** Least severe level that is written. */
  readonly level: LogLevel
  /** `auto`: pretty on a terminal, else JSON. */
  readonly format: "auto" | "json" | "pretty"
  /** Where lines go, each with its line end; standard output when absent. */
  readonly write?: (line: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export function createLogger(options: LoggerOptions): Logger {
  const { level, format, write = writeToStandardOutput, now = Date.now } = options
  const isPretty = format === "pretty" || (format === "auto" && process.stdout.isTTY === true)
  const render = isPretty ? prettyLine : jsonLine
  const least = levels.indexOf(level)
  const at = (index: number): Logger[LogLevel] => {
    const name = levels[index] as LogLevel
    if (index < least) return () => {}
    return (message, fields) => {
      try {
        const time = new Date(now()).toISOString()
        write(
          `${renderSafely(
            () => render(time, name, message, fields),
            () => render(time, name, message),
          )}\n`,
        )
      } catch {
        // A line that cannot be written must not take the request with it, and there is nowhere left to say so.
      }
    }
  }
  return { debug: at(0), info: at(1), warn: at(2), error: at(3) }
}

// A getter among the fields may throw; the sentence is worth more than they are.
function renderSafely(whole: () => string, withoutFields: () => string): string {
  try {
    return whole()
  } catch {
    return withoutFields()
  }
}

/**
 * A copy of `value` that is safe to show: JSON types only, at most limits.log* in size, and without secrets. Masked
 * are members whose name says authorization, token, secret, password, cookie or private/master key; and in every
 * string the query parameters that carry credentials, the password of a URL, and whatever looks like a JWT.
 */
export const redact = (value: unknown): unknown => copy(value, "", 0, newBudget())

const masked = "[masked]"
const secretName = /authorization|token|secret|password|passwd|cookie|(?:master|private).?key/i
const secretParameter = /([?&](?:authorization|json|[\w-]*token|[\w-]*secret|password)=)[^&#\s"'<>]*/gi
const urlPassword = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/?#@:]{0,256}:)[^\s/?#@]+@/gi
const jwt = /\beyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*)?/g

/** What a line has left, over all its depths. */
interface Budget {
  nodes: number
  chars: number
}

const newBudget = (): Budget => ({ nodes: limits.logNodesMax, chars: limits.logTextCharsMax })

function copy(value: unknown, name: string, depth: number, budget: Budget): unknown {
  if (typeof value === "boolean" || value === null || value === undefined) return value
  if (name !== "" && secretName.test(name)) return masked
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
  if (typeof value === "string") return safeText(value, budget)
  if (typeof value === "bigint" || typeof value === "symbol") return safeText(String(value), budget)
  if (typeof value === "function") return "[function]"
  if (depth >= limits.logDepthMax) return "[deep]"
  if (value instanceof Error) return copyError(value, depth, budget)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString()
  if (value instanceof URL) return safeText(value.href, budget)
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value) || value instanceof Set) return copyItems(value, depth, budget)
  return copyMembers(value instanceof Map ? value : Object.entries(value), depth, budget)
}

function copyItems(items: Iterable<unknown>, depth: number, budget: Budget): unknown[] {
  const copies: unknown[] = []
  for (const item of items) {
    if (budget.nodes <= 0 || copies.length >= limits.logMembersMax) {
      copies.push("[more]")
      break
    }
    budget.nodes -= 1
    copies.push(copy(item, "", depth + 1, budget))
  }
  return copies
}

function copyMembers(members: Iterable<[unknown, unknown]>, depth: number, budget: Budget): Record<string, unknown> {
  const copies: Record<string, unknown> = Object.create(null)
  let membersLeft = limits.logMembersMax
  for (const [key, value] of members) {
    membersLeft -= 1
    if (budget.nodes <= 0 || membersLeft < 0) {
      copies["…"] = "[more]"
      break
    }
    budget.nodes -= 1
    const name = String(key)
    copies[safeText(name, budget)] = copy(value, name, depth + 1, budget)
  }
  return copies
}

function copyError(error: Error, depth: number, budget: Budget): Record<string, unknown> {
  const stack = String(error.stack ?? "").split("\n", limits.logStackLinesMax + 1)
  const own = Object.entries(error).filter(([key]) => key !== "stack" && key !== "cause")
  return {
    name: safeText(String(error.name), budget),
    message: safeText(String(error.message), budget),
    ...copyMembers(own, depth, budget),
    stack: safeText(stack.filter((line) => line.trimStart().startsWith("at ")).join("\n"), budget),
    ...(error.cause === undefined ? {} : { cause: copy(error.cause, "", depth + 1, budget) }),
  }
}

// Secrets go first and the length afterwards: a token that was cut in two would no longer be recognised.
function safeText(text: string, budget: Budget): string {
  const clean = text
    .slice(0, 4 * limits.logStringCharsMax)
    .replace(secretParameter, `$1${masked}`)
    .replace(urlPassword, `$1${masked}@`)
    .replace(jwt, masked)
  const charsMax = Math.min(limits.logStringCharsMax, budget.chars)
  budget.chars -= Math.min(clean.length, charsMax)
  return clean.length <= charsMax ? clean : `${clean.slice(0, charsMax)}…`
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields = {}): string {
  const safe = redact(fields) as Record<string, unknown>
  // The line's own members come first and win over fields of the same name.
  const own = { time, level, message: safeText(message, newBudget()) }
  return escapeControls(JSON.stringify({ ...own, ...safe, ...own }))
}

function prettyLine(time: string, level: LogLevel, message: string, fields: LogFields = {}): string {
  const safe = redact(fields) as Record<string, unknown>
  const shown = Object.entries(safe)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${dim}${escapeControls(oneLine(key))}=${reset}${escapeControls(JSON.stringify(value))}`)
  const label = `${colours[level]}${level.padEnd(5)}${reset}`
  return `${dim}${time.slice(11, 23)}${reset} ${label} ${escapeControls(oneLine(safeText(message, newBudget())))}${shown.join("")}`
}

const dim = "\u001b[2m"
const reset = "\u001b[0m"
const colours: Record<LogLevel, string> = {
  debug: "\u001b[2m",
  info: "\u001b[36m",
  warn: "\u001b[33m",
  error: "\u001b[31m",
}

// JSON leaves DEL and the C1 range as they are, and a terminal obeys some of them; U+2028 and U+2029 break lines.
const escapeControls = (line: string): string =>
  line.replace(/[\u007f-\u009f\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

const oneLine = (text: string): string => JSON.stringify(text).slice(1, -1)

const writeToStandardOutput = (line: string): void => {
  process.stdout.write(line)
}
