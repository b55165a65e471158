// The dashboard as files: read once when the node starts, sent with names that change with their content, under a policy
// that lets nothing run but what is in them. The page itself is small and new each time, because it carries a nonce.

import { randomBytes } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { extname, join } from "node:path"

export interface Dashboard {
  /** Answers below `/dashboard` and for other pages of the build; null when the path is none of them. */
  serve(request: Request, path: string): Response | null
  /** A page of the build by its file. Throws when the build has none of this name. */
  page(file: string): Response
  /** A small page without script: a heading and some sentences. */
  notice(title: string, lines: readonly string[], status: number): Response
}

interface Asset {
  readonly type: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly br: Uint8Array<ArrayBuffer> | null
  readonly gzip: Uint8Array<ArrayBuffer> | null
}

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json; charset=utf-8",
}
const assetsBase = "/dashboard/assets/"
const nonceBytes = 16
const noncePlace = "%NONCE%"

/** What every answer of the dashboard carries. */
const securityHeaders: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy":
    "camera=(), microphone=(), geolocation=(), payment=(), usb=(), publickey-credentials-get=(self)",
  "x-frame-options": "DENY",
}

/** The policy of a page (CSP Level 3): no inline script, no foreign origin, no frame around it. */
const policyOf = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join("; ")

/**
 * Reads the build in `folder`. Null when there is none, as in an installation whose `prepare` did not run.
 * `pages` are addresses that answer with a page of the build: prefix, and its file.
 */
export async function loadDashboard(
  folder: string,
  pages: readonly (readonly [prefix: string, file: string])[],
): Promise<Dashboard | null> {
  const names = await readdir(folder).catch(() => null)
  if (names === null) return null
  const assets = new Map<string, Asset>()
  const texts = new Map<string, string>()
  for (const name of names) {
    if (name.endsWith(".html")) {
      texts.set(name, await readFile(join(folder, name), "utf8"))
      continue
    }
    const type = types[extname(name)]
    if (type === undefined) continue
    const read = async (suffix: string): Promise<Uint8Array<ArrayBuffer> | null> =>
      names.includes(`${name}${suffix}`) ? new Uint8Array(await readFile(join(folder, `${name}${suffix}`))) : null
    assets.set(name, {
      type,
      plain: (await read("")) as Uint8Array<ArrayBuffer>,
      br: await read(".br"),
      gzip: await read(".gz"),
    })
  }
  const shown = pages.flatMap(([prefix, file]) => {
    const text = texts.get(file)
    return text === undefined ? [] : [{ prefix, text }]
  })

  return {
    serve({ method, headers }, path) {
      if (path.startsWith(assetsBase)) {
        if (method !== "GET" && method !== "HEAD") return notAllowed()
        const asset = assets.get(path.slice(assetsBase.length))
        return asset === undefined ? notFound() : sendAsset(asset, headers.get("accept-encoding") ?? "")
      }
      const page = shown.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
      if (page === undefined) return null
      if (method !== "GET" && method !== "HEAD") return notAllowed()
      return sendPage(page.text)
    },
    page(file) {
      const text = texts.get(file)
      if (text === undefined) throw new Error(`the build of the dashboard has no ${file}`)
      return sendPage(text)
    },
    notice: (title, lines, status) => sendPage(noticeText(title, lines), status),
  }
}

const noticeStyle =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}"

function noticeText(title: string, lines: readonly string[]): string {
  const sentences = lines.map((line) => `<p>${Bun.escapeHTML(line)}</p>`).join("\n")
  const name = Bun.escapeHTML(title)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${name} · Weir</title>
<style nonce="${noncePlace}">${noticeStyle}</style>
</head>
<body>
<main>
<h1>${name}</h1>
${sentences}
</main>
</body>
</html>
`
}

function sendAsset({ type, plain, br, gzip }: Asset, accepted: string): Response {
  const [body, encoding] =
    br !== null && /\bbr\b/.test(accepted)
      ? [br, "br"]
      : gzip !== null && /\bgzip\b/.test(accepted)
        ? [gzip, "gzip"]
        : [plain, null]
  return new Response(body, {
    headers: {
      ...securityHeaders,
      "content-type": type,
      // The name changes with the content.
      "cache-control": "public, max-age=31536000, immutable",
      vary: "accept-encoding",
      ...(encoding === null ? {} : { "content-encoding": encoding }),
    },
  })
}

function sendPage(text: string, status = 200): Response {
  const nonce = randomBytes(nonceBytes).toString("base64url")
  return new Response(text.replaceAll(noncePlace, nonce), {
    status,
    headers: {
      ...securityHeaders,
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policyOf(nonce),
      "cache-control": "no-store",
    },
  })
}

const plainText = (text: string, status: number): Response =>
  new Response(text, { status, headers: { ...securityHeaders, "content-type": "text/plain; charset=utf-8" } })
const notFound = (): Response => plainText("not found\n", 404)
const notAllowed = (): Response => plainText("only GET answers here\n", 405)
