// Where the server is: what the app says, else WEIR_URL, else the page's own origin, else a Weir on this machine.

const localUrl = "http://127.0.0.1:3030"

/** The base address without a trailing slash. Throws TypeError when it is not an http(s) address. */
export function baseUrlOf(option?: string): string {
  return checked(option || environmentUrl() || pageOrigin() || localUrl)
}

/** The same address for sockets. */
export const socketBaseUrlOf = (baseUrl: string): string => baseUrl.replace(/^http/, "ws")

function environmentUrl(): string | undefined {
  // Browsers have no `process`; some bundlers give one without `env`.
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.WEIR_URL
}

function pageOrigin(): string | undefined {
  const { location } = globalThis as { location?: { origin?: string } }
  return /^https?:\/\//.test(location?.origin ?? "") ? location?.origin : undefined
}

function checked(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError(`the address of the server is not a URL: ${text}`)
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`the address of the server must start with http:// or https://, got ${url.protocol}//`)
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`
}
