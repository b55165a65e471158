// The app that a page is about: it stands in the address, so that every page can be linked to.

import { useRoute } from "wouter"
import { useRead } from "../api/queries.ts"

export const useApps = () => useRead("ListApps", {}, { keep: true })

/** The app in the address; null on pages of the deployment. */
export function useAppId(): number | null {
  const [matches, parameters] = useRoute("/apps/:app/*?")
  const app = matches ? Number(parameters.app) : Number.NaN
  return Number.isSafeInteger(app) ? app : null
}

/** The app in the address; only on pages of an app. */
export function useApp(): number {
  const app = useAppId()
  if (app === null) throw new Error("this page is no page of an app")
  return app
}

/** Facts of the app in the address; undefined while they load. */
export function useAppFacts() {
  const app = useAppId()
  return useApps().data?.apps.find(({ id }) => id === app)
}

/** Whether the address names an app that there is not; false while nobody knows. */
export function useIsAppAbsent(): boolean {
  const app = useAppId()
  const { data, isFetching } = useApps()
  return app !== null && data !== undefined && !isFetching && !data.apps.some(({ id }) => id === app)
}

/** Addresses of pages of the same app, from their path below it. */
export function useAppPath(): (path: string) => string {
  const app = useAppId()
  return (path) => `/apps/${app}${path}`
}
