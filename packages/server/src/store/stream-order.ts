// Those who write to one stream usually wait for each other inside the database, on a row such as a channel's counter.
// Yet the answer to the first commit can reach us after the answer to the second, on another connection. Whoever has
// written events to a stream before us has its turn before us.

export interface StreamTurn {
  /** Resolves when all who came before in any of the streams have ended their turns. */
  readonly before: Promise<unknown>
  /** To be called once, whatever became of the transaction. */
  end(): void
}

/** Queues by stream. Enter when the events are written and before the commit is sent. */
export function createStreamOrder() {
  const tails = new Map<string, Promise<unknown>>()
  return {
    enter(streams: ReadonlySet<string>): StreamTurn {
      const before = Promise.all([...streams].map((stream) => tails.get(stream)))
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      // One that failed at once must not let those behind it pass those before it.
      const tail = before.then(() => ended)
      for (const stream of streams) tails.set(stream, tail)
      tail.then(() => {
        for (const stream of streams) if (tails.get(stream) === tail) tails.delete(stream)
      })
      return { before, end }
    },
    /** Streams that someone has entered and not left. */
    get size() {
      return tails.size
    },
  }
}
