// What is not an operation: health for the orchestrator, the pages of the error codes, and a word at the root.

import { errorCatalogue } from "@weir/protocol"
import type { Awaitable } from "../base/chain.ts"

export interface PagesParts {
  /** Throws, or rejects, with the reason why this node should get no traffic now. Everybody may read it. */
  readonly readiness: () => Promise<void>
  /** Markdown of an error's page, by code; null when there is none. */
  readonly errorPage: (code: number) => Promise<string | null>
  /** JSON that anybody may read and keep for a while, by path; null when there is none. */
  readonly published: (path: string) => Promise<string | null> | null
}

const text = (body: string, status = 200, type = "text/plain; charset=utf-8"): Response =>
  new Response(body, {
    status,
    headers: { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" },
  })

// Short enough that a new key is everywhere before it signs; long enough that verifiers do not ask for each token.
const publicJson = (body: string): Response =>
  new Response(body, {
    headers: {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "public, max-age=300",
      "access-control-allow-origin": "*",
      "x-content-type-options": "nosniff",
    },
  })

/** Answers a page, or null when the path is none. */
export function createPages({
  readiness,
  errorPage,
  published,
}: PagesParts): (method: string, path: string) => Awaitable<Response> | null {
  return (method, path) => {
    if (method !== "GET" && method !== "HEAD") return null
    switch (path) {
      case "/healthz":
        return text("ok\n")
      case "/readyz":
        return readiness().then(
          () => text("ready\n"),
          (reason) => text(`not ready: ${reason instanceof Error ? reason.message : "unknown"}\n`, 503),
        )
      case "/":
        return text("Weir is running. The API is under /api/v2, sockets connect at /api/v2/connect.\n")
    }
    const json = published(path)
    if (json !== null) return json.then((body) => (body === null ? text("not found\n", 404) : publicJson(body)))
    const code = /^\/errors\/(-?\d{1,4})$/.exec(path)?.[1]
    if (code === undefined) return null
    return errorPage(Number(code)).then((page) => {
      if (page !== null) return text(page, 200, "text/markdown; charset=utf-8")
      const known = Object.values(errorCatalogue).find((entry) => entry.code === Number(code))
      return text(
        known === undefined ? "there is no such error code\n" : `${known.title} (code ${known.code})\n`,
        known === undefined ? 404 : 200,
      )
    })
  }
}
