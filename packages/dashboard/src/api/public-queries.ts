// The public API's operations as queries and mutations, as queries.ts and lists.ts have those of the management API.

import { type UseQueryResult, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useApp } from "../shell/apps.tsx"
import type { List } from "./lists.ts"
import { callPublic, type PublicInput, type PublicName, type PublicOutput } from "./public.ts"

/** Pages that one list may grow to. */
const pagesMax = 40

const publicKey = (app: string, name: PublicName): readonly string[] => ["public", app, name]

/** Reads through an operation of the public API, in the app of the address. */
export function usePublicRead<Name extends PublicName>(
  name: Name,
  input: PublicInput<Name>,
  { everyMs, enabled = true }: { everyMs?: number; enabled?: boolean } = {},
): UseQueryResult<PublicOutput<Name>, Error> {
  const app = String(useApp())
  return useQuery<PublicOutput<Name>, Error>({
    queryKey: [...publicKey(app, name), input],
    queryFn: () => callPublic(app, name, input),
    enabled,
    ...(everyMs === undefined ? {} : { refetchInterval: everyMs }),
  })
}

export interface Paging<Page, Row> {
  /** What the list is of; it is read anew when this changes. */
  readonly of: unknown
  /** Reads the page behind a cursor; null is the beginning. */
  readonly read: (app: string, cursor: string | null) => Promise<Page>
  readonly rowsOf: (page: Page) => readonly Row[]
  /** The cursor of the page after; null: that was the last one. */
  readonly nextOf: (page: Page, cursor: string | null) => string | null
  readonly everyMs?: number
  readonly enabled?: boolean
}

/** A list that comes a page at a time, whichever way the operation pages. `name` is what changes refresh it by. */
export function usePublicList<Page, Row>(
  name: PublicName,
  { of, read, rowsOf, nextOf, everyMs, enabled = true }: Paging<Page, Row>,
): List<Row, Page> {
  const app = String(useApp())
  const query = useInfiniteQuery({
    queryKey: [...publicKey(app, name), of, "pages"],
    queryFn: ({ pageParam }) => read(app, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Page, _all: readonly Page[], cursor: string | null) => nextOf(page, cursor),
    refetchInterval: everyMs ?? false,
    enabled,
  })
  const pages = query.data?.pages ?? []
  return {
    rows: query.data === undefined ? undefined : pages.flatMap((page) => [...rowsOf(page)]),
    first: pages[0],
    error: query.data === undefined ? query.error : null,
    isFetching: query.isFetching,
    pages: pages.length,
    retry: () => void query.refetch(),
    more:
      query.hasNextPage && pages.length < pagesMax
        ? { load: () => void query.fetchNextPage(), loading: query.isFetchingNextPage }
        : null,
  }
}

/** For operations that page by offset: the cursor of the page after, while pages are full. */
export const nextOffset = (cursor: string | null, found: number, limit: number, offsetMax: number): string | null => {
  const offset = Number(cursor ?? 0) + limit
  return found < limit || offset > offsetMax ? null : String(offset)
}

/** Changes something through an operation of the public API; the reads that are named are asked again afterwards. */
export function usePublicChange<Name extends PublicName>(name: Name, refreshes: readonly PublicName[]) {
  const app = String(useApp())
  const client = useQueryClient()
  return useMutation<PublicOutput<Name>, Error, PublicInput<Name>>({
    mutationFn: (input) => callPublic(app, name, input),
    onSuccess: () => Promise.all(refreshes.map((read) => client.invalidateQueries({ queryKey: publicKey(app, read) }))),
  })
}
