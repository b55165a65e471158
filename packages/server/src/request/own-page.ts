// Requests that a browser proves with a cookie count only when our own page sent them. SameSite keeps the cookie from
// other sites, but not from other hosts of the same site, so the page says who it is, and the browser where it is from.

import { ApiError } from "@weir/protocol"

/** Sent by the dashboard with each request: other origins cannot without asking first, and they are told no. */
export const pageHeader = "x-weir-dashboard"

/** Throws notAllowed unless the request came from a page of this deployment. `publicOrigin`: from the settings. */
export function requireOwnPage({ headers }: Request, publicOrigin: string | null): void {
  if (headers.get(pageHeader) !== "1") throw foreign(`the header ${pageHeader} is missing`)
  const site = headers.get("sec-fetch-site")
  if (site !== null && site !== "same-origin") throw foreign(`the browser says that it came ${site.slice(0, 20)}`)
  const origin = headers.get("origin")
  if (origin !== null && !isOwnOrigin(origin, headers.get("host"), publicOrigin)) {
    throw foreign(`it came from ${origin.slice(0, 200)}`)
  }
}

/**
 * Whether an origin is this deployment's: the one of the settings, or the one that the browser itself asked for, which a
 * page of another origin cannot make up. Plain http counts on this machine alone, where nobody can read along.
 */
export function isOwnOrigin(origin: string, host: string | null, publicOrigin: string | null): boolean {
  if (origin === publicOrigin) return true
  if (host === null || !URL.canParse(origin)) return false
  const url = new URL(origin)
  if (
    url.origin !== origin ||
    url.host !== host.toLowerCase().replace(url.protocol === "https:" ? /:443$/ : /:80$/, "")
  ) {
    return false
  }
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopbackHost(url.hostname))
}

/** Whether a host name, as URL has it, is this machine: browsers treat it as secure (W3C Secure Contexts §3.1). */
export const isLoopbackHost = (hostname: string): boolean =>
  hostname === "localhost" ||
  hostname.endsWith(".localhost") ||
  hostname === "[::1]" ||
  /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)

const foreign = (detail: string): ApiError =>
  new ApiError("notAllowed", "this request did not come from the dashboard's own page", {
    why: { check: "operator", rule: "own-page", detail, remedy: "use the dashboard, or the admin token" },
  })
