// Operations as queries and mutations: one key per operation and input, so that what changes one refreshes its readers.

import {
  keepPreviousData,
  QueryClient,
  type UseMutationResult,
  type UseQueryResult,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query"
import { ApiFailure, type CallInput, type CallOutput, call, type OperationName } from "./client.ts"

const staleMs = 5_000
const retriesMax = 2

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: staleMs,
      // A refusal stays a refusal; only a server that was away is worth another try.
      retry: (failures, error) =>
        failures < retriesMax && (!(error instanceof ApiFailure) || error.status === 0 || error.status >= 500),
    },
    mutations: { retry: false },
  },
})

export interface ReadOptions {
  /** Ask again after so many milliseconds. */
  everyMs?: number
  enabled?: boolean
  /** Show the last answer while another page is on its way. */
  keep?: boolean
}

/** Reads through an operation. */
export function useRead<Name extends OperationName>(
  name: Name,
  input: CallInput<Name> = {},
  { everyMs, enabled, keep }: ReadOptions = {},
): UseQueryResult<CallOutput<Name>, Error> {
  return useQuery<CallOutput<Name>, Error>({
    queryKey: [name, input],
    queryFn: () => call(name, input),
    ...(everyMs === undefined ? {} : { refetchInterval: everyMs }),
    ...(enabled === undefined ? {} : { enabled }),
    ...(keep === true ? { placeholderData: keepPreviousData as never } : {}),
  })
}

/** Changes something through an operation; the reads that are named are asked again afterwards. */
export function useChange<Name extends OperationName>(
  name: Name,
  refreshes: readonly OperationName[] = [],
): UseMutationResult<CallOutput<Name>, Error, CallInput<Name>> {
  const client = useQueryClient()
  return useMutation<CallOutput<Name>, Error, CallInput<Name>>({
    mutationFn: (input) => call(name, input),
    onSuccess: () => Promise.all(refreshes.map((read) => client.invalidateQueries({ queryKey: [read] }))),
  })
}
