// From the outside in: theme, data, address, then who one is, then the page.

import { Center, Loader, MantineProvider } from "@mantine/core"
import { Notifications } from "@mantine/notifications"
import { QueryClientProvider, useQueryClient } from "@tanstack/react-query"
import { lazy, type ReactNode, Suspense, useEffect } from "react"
import { Redirect, Route, Router, Switch, useLocation } from "wouter"
import { MeProvider, meKey, useDashboardState, useMay, useMeQuery } from "./access/session.tsx"
import { StepUp } from "./access/step-up.tsx"
import { ApiFailure, listeners } from "./api/client.ts"
import { queryClient } from "./api/queries.ts"
import { styleNonce } from "./nonce.ts"
import { pages } from "./pages/index.ts"
import { NoSuchApp, NoSuchPage, NotForYou } from "./pages/missing.tsx"
import type { Page } from "./pages/page.ts"
import { ErrorAlert } from "./parts/errors.tsx"
import { useIsAppAbsent } from "./shell/apps.tsx"
import { Boundary } from "./shell/boundary.tsx"
import { Shell } from "./shell/shell.tsx"
import { theme } from "./theme.ts"

const Login = lazy(() => import("./pages/login/login.tsx"))
const Setup = lazy(() => import("./pages/setup/setup.tsx"))
const Invite = lazy(() => import("./pages/invite/invite.tsx"))

export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <Notifications position="bottom-right" />
      <QueryClientProvider client={queryClient}>
        <Router base="/dashboard">
          <Suspense fallback={<Waiting />}>
            <Entrance />
          </Suspense>
        </Router>
      </QueryClientProvider>
    </MantineProvider>
  )
}

const Waiting = () => (
  <Center h="60vh">
    <Loader aria-label="Loading" />
  </Center>
)

/** Pages that need no login, and the rest behind it. */
function Entrance() {
  const state = useDashboardState()
  if (state.error) {
    return (
      <Center h="60vh" p="md">
        <ErrorAlert error={state.error} title="The dashboard could not start" retry={() => void state.refetch()} />
      </Center>
    )
  }
  if (state.data === undefined) return <Waiting />
  return (
    <Switch>
      <Route path="/setup">{state.data.setup_needed ? <Setup /> : <Redirect to="/" replace />}</Route>
      <Route path="/login">{state.data.setup_needed ? <Redirect to="/setup" /> : <Login />}</Route>
      <Route path="/invite">
        <Invite />
      </Route>
      <Route>{state.data.setup_needed ? <Redirect to="/setup" /> : <Inside />}</Route>
    </Switch>
  )
}

function Inside() {
  const client = useQueryClient()
  const [location, go] = useLocation()
  const me = useMeQuery(true)
  useEffect(() => {
    listeners.signedOut = () => void client.invalidateQueries({ queryKey: meKey })
    return () => {
      listeners.signedOut = () => {}
    }
  }, [client])
  const isOut = me.error instanceof ApiFailure && me.error.status === 401
  useEffect(() => {
    if (isOut) go(location === "/" ? "/login" : `/login?to=${encodeURIComponent(location)}`, { replace: true })
  }, [isOut, location, go])
  if (me.error && !isOut) {
    return (
      <Center h="60vh" p="md">
        <ErrorAlert error={me.error} retry={() => void me.refetch()} />
      </Center>
    )
  }
  if (me.data === undefined || isOut) return <Waiting />
  return (
    <MeProvider me={me.data}>
      <StepUp />
      <Shell pages={pages}>
        <Boundary key={location}>
          <Suspense fallback={<Waiting />}>
            <Switch>
              {byPrecision.map((page) => (
                <Route key={page.title + page.path} path={addressOf(page)}>
                  <Allowed page={page}>
                    <page.View />
                  </Allowed>
                </Route>
              ))}
              <Route>
                <NoSuchPage />
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </Shell>
    </MeProvider>
  )
}

/** The first address that fits is taken: `/apps/new` before `/apps/:app`. */
const byPrecision = pages.toSorted((one, other) => Number(one.scope === "app") - Number(other.scope === "app"))

const addressOf = ({ scope, path }: Page): string => (scope === "app" ? `/apps/:app${path === "/" ? "" : path}` : path)

/** What the role does not allow is not asked for; the server would refuse it as well. */
function Allowed({ page, children }: { page: Page; children: ReactNode }) {
  const may = useMay()
  const isAbsent = useIsAppAbsent()
  if (isAbsent) return <NoSuchApp />
  return may(page.needs) ? children : <NotForYou needs={page.needs} />
}
