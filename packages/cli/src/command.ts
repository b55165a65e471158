// What a command is, and what all of them share: reading arguments, help, suggestions.

import { type ParseArgsConfig, parseArgs } from "node:util"
import type { Env } from "@weir/server/config/env"

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const
export type ExitCode = number

/** The world as a command sees it. */
export interface Context {
  readonly env: Env
  /** Writes one line of the result to standard output. */
  readonly print: (line: string) => void
  /**
   * Resolves when what was printed has been taken, so that a long result does not pile up in memory. Throws
   * CommandError when nobody reads any more. Absent: printing takes at once.
   */
  readonly written?: () => Promise<void>
  /** Writes one line for people to standard error. */
  readonly complain: (line: string) => void
  /** All of standard input, up to `bytesMax`. */
  readonly readInput: (bytesMax: number) => Promise<string>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /**
   * For commands that go on until somebody stops them: aborts when that happens (Ctrl-C). Once it was asked for, the
   * command itself ends the program. Absent: nobody stops it.
   */
  readonly interrupted?: () => AbortSignal
}

export interface Command {
  /** Words after `weir`, such as `token create`. */
  readonly name: string
  /** Arguments after the name, such as `<user_id>`. */
  readonly usage: string
  readonly summary: string
  readonly options: Readonly<Record<string, Option>>
  /** Further lines of the help. */
  readonly notes?: readonly string[]
  run(args: Arguments, context: Context): Promise<ExitCode>
}

export interface Option {
  readonly type: "string" | "boolean"
  /** Placeholder of the value in the help. */
  readonly value?: string
  readonly doc: string
}

export interface Arguments {
  readonly positionals: readonly string[]
  text(name: string): string | null
  flag(name: string): boolean
}

/** The command was called wrongly; exit code 2. The message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** The command was called rightly and could not do its work; exit code 1. The message is one line. */
export class CommandError extends Error {
  override readonly name = "CommandError"
}

const helpOption: Option = { type: "boolean", doc: "Show this help." }

/** Reads the words after a command's name. Throws UsageError for what the command does not know. */
export function parseArguments(command: Command, words: readonly string[]): Arguments {
  const options: NonNullable<ParseArgsConfig["options"]> = { help: { type: "boolean", short: "h" } }
  for (const [name, { type }] of Object.entries(command.options)) options[name] = { type }
  try {
    const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true, strict: true })
    return {
      positionals,
      text: (name) => (typeof values[name] === "string" ? values[name] : null),
      flag: (name) => values[name] === true,
    }
  } catch (error) {
    // The rest of Node's sentence explains how to quote, which helps nobody here.
    throw new UsageError(String((error as Error).message).split(". ")[0])
  }
}

/** Exactly one positional argument. Throws UsageError otherwise. */
export function onlyPositional(args: Arguments, placeholder: string): string {
  const [value, extra] = args.positionals
  if (value === undefined) throw new UsageError(`${placeholder} is missing`)
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`)
  return value
}

/** Throws UsageError when there are positional arguments. */
export function noPositionals(args: Arguments): void {
  const [extra] = args.positionals
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`)
}

/** The number in --lines, 0 to `max`; `unlessGiven` without it. Throws UsageError. */
export function linesWanted(args: Arguments, unlessGiven: number, max: number): number {
  const text = args.text("lines")
  if (text === null) return unlessGiven
  if (/^\d{1,9}$/.test(text) && Number(text) <= max) return Number(text)
  throw new UsageError(`--lines is 0 to ${max}, not "${text.slice(0, 80)}"`)
}

/** Prints a result: as JSON where the caller asked for it with --json, else in lines. Gives the exit code of success. */
export function printResult(args: Arguments, context: Context, result: unknown, lines: readonly string[]): ExitCode {
  for (const line of args.flag("json") ? [JSON.stringify(result, null, 2)] : lines) context.print(line)
  return exitCodes.ok
}

/** The help of one command. */
export function helpOf(command: Command): string[] {
  const options = Object.entries({ ...command.options, help: helpOption })
  const rows = options.map(([name, { value, doc }]) => [value ? `--${name} ${value}` : `--${name}`, doc] as const)
  return [
    command.summary,
    "",
    `Usage: weir ${[command.name, command.usage, "[options]"].filter(Boolean).join(" ")}`,
    "",
    "Options:",
    ...columns(rows),
    ...(command.notes ? ["", ...command.notes] : []),
  ]
}

/** Two columns, the first as wide as its widest cell, indented by two. */
export function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd())
}
