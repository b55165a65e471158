// What every load generator has in common: it is a process of its own, reads one job as JSON from standard input, and
// prints one JSON result as its last line. An error is one line on standard error and exit code 1.

import { readFileSync } from "node:fs"

/** Reads the job, runs it, prints what it returns, ends the process. */
export async function runJob<Job, Result>(work: (job: Job) => Promise<Result>): Promise<never> {
  try {
    const job = JSON.parse(await Bun.stdin.text()) as Job
    const result = await work(job)
    console.log(JSON.stringify(result))
    process.exit(0)
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}

/** Share of one core, 0 to 1 (more when several cores worked); null where the system does not tell. */
export interface Busy {
  readonly server: number | null
  readonly load: number
}

/** Watches the processor time of this process and of the server between now and the call of the answer. */
export function watchBusy(serverPid: number | null): () => { elapsedMs: number; busy: Busy } {
  const startedNs = Bun.nanoseconds()
  const own = process.cpuUsage()
  const server = cpuMsOf(serverPid)
  return () => {
    const elapsedMs = (Bun.nanoseconds() - startedNs) / 1e6
    const { user, system } = process.cpuUsage(own)
    const serverNow = cpuMsOf(serverPid)
    return {
      elapsedMs,
      busy: {
        server: server === null || serverNow === null ? null : round((serverNow - server) / elapsedMs),
        load: round((user + system) / 1000 / elapsedMs),
      },
    }
  }
}

// proc(5): fields 14 and 15 of /proc/<pid>/stat are the ticks in user and kernel mode, of all threads. The name of the
// program stands in brackets before them and may hold spaces, so fields are counted from the last bracket.
function cpuMsOf(pid: number | null): number | null {
  if (pid === null) return null
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[11]) + Number(fields[12])) * msPerTick
  } catch {
    return null
  }
}

/** USER_HZ is 100 on every Linux that Bun runs on. */
const msPerTick = 10
const round = (value: number): number => Math.round(value * 1000) / 1000
