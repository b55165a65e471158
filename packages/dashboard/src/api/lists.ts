// Lists that come a page at a time: what was read stays while more is added below.

import { useInfiniteQuery } from "@tanstack/react-query"
import { type CallInput, type CallOutput, call, type OperationName } from "./client.ts"

/** Pages that one list may grow to: beyond that a filter is the better way. */
const pagesMax = 40

export interface ListOptions {
  /** Asks again after so many milliseconds, for every page that is shown. */
  everyMs?: number | undefined
  enabled?: boolean
}

export interface List<Row, Page> {
  /** Undefined while the first page is read. */
  readonly rows: readonly Row[] | undefined
  /** The first page, for what stands beside its rows. */
  readonly first: Page | undefined
  readonly error: Error | null
  readonly isFetching: boolean
  readonly pages: number
  readonly retry: () => void
  /** Null: there is no more. */
  readonly more: { readonly load: () => void; readonly loading: boolean } | null
}

/** Reads an operation whose answers carry `next`, which its query takes for the page after. */
export function useList<Name extends OperationName, Row>(
  name: Name,
  input: CallInput<Name>,
  rowsOf: (page: CallOutput<Name>) => readonly Row[],
  { everyMs, enabled = true }: ListOptions = {},
): List<Row, CallOutput<Name>> {
  const { data, error, isFetching, isFetchingNextPage, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: [name, input, "pages"],
    queryFn: ({ pageParam }) => {
      const query = { ...(input.query as object | undefined), ...(pageParam === "" ? {} : { next: pageParam }) }
      return call(name, { ...input, query: query as never })
    },
    initialPageParam: "",
    getNextPageParam: (page) => (page as { readonly next?: string | null }).next ?? null,
    refetchInterval: everyMs ?? false,
    enabled,
  })
  const pages = data?.pages ?? []
  return {
    rows: data === undefined ? undefined : pages.flatMap((page) => [...rowsOf(page)]),
    first: pages[0],
    // What was read before is worth more than the news that it could not be read again.
    error: data === undefined ? error : null,
    isFetching,
    pages: pages.length,
    retry: () => void refetch(),
    more:
      hasNextPage && pages.length < pagesMax ? { load: () => void fetchNextPage(), loading: isFetchingNextPage } : null,
  }
}
