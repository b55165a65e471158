// Runs a file of bench/micro in a process of its own, held to the servers' core, and reads the lines that it prints.

import { join } from "node:path"
import { pinned, serverCore } from "../contender.ts"

/** Name of a micro row, and its numbers by their names. */
export type MicroLine = { readonly name: string } & Readonly<Record<string, number | string>>

/** Throws with its own words when it fails. */
export async function runMicro(file: string, args: readonly string[] = []): Promise<MicroLine[]> {
  const child = Bun.spawn(pinned(serverCore, [process.execPath, join(import.meta.dir, "../micro", file), ...args]), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (exitCode !== 0) throw new Error(`bench/micro/${file}: ${stderr.trim()}`)
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as MicroLine)
}

/** A number of the line whose name begins so. Throws when there is none. */
export function numberOf(lines: readonly MicroLine[], namePrefix: string, number: string): number {
  const value = lines.find(({ name }) => name.startsWith(namePrefix))?.[number]
  if (typeof value !== "number") throw new Error(`bench/micro printed no ${number} for ${namePrefix}`)
  return value
}
