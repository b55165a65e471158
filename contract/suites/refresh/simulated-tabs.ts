// Web Locks and BroadcastChannel of one origin, within one process, for runtimes that are no browser.

/** Structurally what a client takes as the platform's locks and channels. */
export interface SimulatedTabs {
  readonly locks: {
    request<T>(
      name: string,
      options: { ifAvailable?: boolean; signal?: AbortSignal },
      run: (lock: unknown) => Promise<T>,
    ): Promise<T>
  }
  openChannel(name: string): SimulatedChannel
  /** Messages that were told so far. */
  readonly told: number
}

export interface SimulatedChannel {
  onmessage: ((event: { data: unknown }) => void) | null
  postMessage(message: unknown): void
  close(): void
}

/** `lateMs`: how long a message is under way; locks are free at once, as between the processes of a browser. */
export function simulateTabs(lateMs = 5): SimulatedTabs {
  const queues = new Map<string, (() => void)[]>()
  const channels = new Map<string, Set<SimulatedChannel>>()
  let told = 0

  const release = (name: string): void => {
    const next = queues.get(name)?.shift()
    if (next === undefined) queues.delete(name)
    else next()
  }

  return {
    get told() {
      return told
    },
    locks: {
      async request(name, { ifAvailable, signal }, run) {
        const waiting = queues.get(name)
        if (waiting === undefined) queues.set(name, [])
        else if (ifAvailable) return run(null)
        else {
          await new Promise<void>((resolve, reject) => {
            const go = () => {
              signal?.removeEventListener("abort", giveUp)
              resolve()
            }
            const giveUp = () => {
              waiting.splice(waiting.indexOf(go), 1)
              reject(new DOMException("the request was aborted", "AbortError"))
            }
            waiting.push(go)
            signal?.addEventListener("abort", giveUp)
          })
        }
        try {
          return await run({ name, mode: "exclusive" })
        } finally {
          release(name)
        }
      },
    },
    openChannel(name) {
      const all = channels.get(name) ?? new Set()
      channels.set(name, all)
      const channel: SimulatedChannel = {
        onmessage: null,
        postMessage(message) {
          told += 1
          const data: unknown = structuredClone(message)
          for (const other of all) if (other !== channel) setTimeout(() => other.onmessage?.({ data }), lateMs)
        },
        close() {
          all.delete(channel)
        },
      }
      all.add(channel)
      return channel
    },
  }
}
