// The request log as it grows: asks for what is newer than the last answer, again and again, until it is paused.

import { useCallback, useEffect, useRef, useState } from "react"
import { type CallInput, type CallOutput, call } from "../../api/client.ts"

export type AnsweredRequest = CallOutput<"ListRequests">["requests"][number]
export type RequestFilter = Omit<NonNullable<CallInput<"ListRequests">["query"]>, "after" | "limit">

export interface RequestLog {
  /** Newest first; undefined while the first answer is on its way. */
  readonly rows: readonly AnsweredRequest[] | undefined
  readonly error: unknown
  /** Requests that there was no room for, since the page was opened. */
  readonly missed: number
  readonly silentNodes: readonly string[]
  readonly retry: () => void
}

const everyMs = 2_000
const rowsMax = 500
const pageMax = 100

interface State {
  readonly rows: readonly AnsweredRequest[] | undefined
  readonly error: unknown
  readonly missed: number
  readonly silentNodes: readonly string[]
}
const empty: State = { rows: undefined, error: null, missed: 0, silentNodes: [] }

/** Follows the requests that fit a filter; while it is paused, what there is stays. */
export function useRequestLog(app: string, filter: RequestFilter, isLive: boolean): RequestLog {
  const [state, setState] = useState<State>(empty)
  const [tries, setTries] = useState(0)
  const after = useRef<{ of: string; cursor: string } | null>(null)
  // The filter is made anew with each rendering; what it says is what counts.
  const question = JSON.stringify([app, filter])

  // biome-ignore lint/correctness/useExhaustiveDependencies: another try asks again
  useEffect(() => {
    let left = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const [of, query] = JSON.parse(question) as [string, RequestFilter]
    if (after.current?.of !== question) {
      after.current = null
      setState(empty)
    }
    const ask = async (): Promise<void> => {
      const cursor = after.current?.cursor
      try {
        const answer = await call("ListRequests", {
          path: { app: of },
          query: { ...query, limit: pageMax, ...(cursor === undefined ? {} : { after: cursor }) },
        })
        if (left) return
        after.current = { of: question, cursor: answer.after }
        setState(({ rows = [], missed }) => ({
          rows: [...answer.requests, ...rows].slice(0, rowsMax),
          error: null,
          missed: missed + (cursor === undefined ? 0 : answer.missed),
          silentNodes: answer.silent_nodes,
        }))
      } catch (error) {
        if (left) return
        setState((before) => ({ ...before, error }))
      }
      if (isLive) timer = setTimeout(() => void ask(), everyMs)
    }
    if (isLive || after.current === null) void ask()
    return () => {
      left = true
      clearTimeout(timer)
    }
  }, [question, isLive, tries])

  return { ...state, retry: useCallback(() => setTries((count) => count + 1), []) }
}
