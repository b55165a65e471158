// Who is logged in, and what they may. The server holds the truth; this is what the page shows of it.

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query"
import type { OperatorAction, OperatorRole } from "@weir/protocol"
import { createContext, type ReactNode, useContext } from "react"
import { meAddress, requestJson } from "../api/client.ts"

/** What the server says to whoever opens the dashboard. */
export interface DashboardState {
  readonly setup_needed: boolean
  /** Single sign-on, when the settings name a provider. */
  readonly sso: { readonly name: string } | null
  readonly version: string
}

export interface Me {
  readonly operator: {
    readonly id: string | null
    readonly name: string
    readonly email: string | null
    readonly role: OperatorRole
  }
  readonly actions: readonly OperatorAction[]
  readonly session: { readonly id: string; readonly verified_at: string | null; readonly expires_at: string } | null
  readonly has_totp: boolean
  readonly passkeys: number
}

export const stateKey = ["dashboard-state"] as const
export const meKey = ["me"] as const

export const useDashboardState = () =>
  useQuery({
    queryKey: stateKey,
    queryFn: () => requestJson("GET", "/dashboard/api/state") as Promise<DashboardState>,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Null: nobody is logged in. */
export const useMeQuery = (enabled: boolean) =>
  useQuery({
    queryKey: meKey,
    queryFn: () => requestJson("GET", meAddress) as Promise<Me>,
    enabled,
    retry: false,
  })

const MeContext = createContext<Me | null>(null)

export const MeProvider = ({ me, children }: { me: Me; children: ReactNode }) => (
  <MeContext value={me}>{children}</MeContext>
)

/** The operator; only below the shell. */
export function useMe(): Me {
  const me = useContext(MeContext)
  if (me === null) throw new Error("nobody is logged in here")
  return me
}

/** Whether the role allows it: for what is shown. */
export function useMay(): (action: OperatorAction | null) => boolean {
  const { actions } = useMe()
  return (action) => action === null || actions.includes(action)
}

/** Logs out and forgets everything that was read. */
async function logOut(client: QueryClient): Promise<void> {
  await requestJson("POST", "/dashboard/api/auth/sign-out", {}).catch(() => undefined)
  client.clear()
  location.assign("/dashboard/login")
}

export const useLogOut = (): (() => Promise<void>) => {
  const client = useQueryClient()
  return () => logOut(client)
}
