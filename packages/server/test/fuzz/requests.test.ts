// What is read of a request before anybody knows who sent it: target and route, the signature of the request, and the
// platform that it is counted for.

import { describe, expect, test } from "bun:test"
import { createHash, createHmac } from "node:crypto"
import { ApiError, type Method, platformOf, platforms } from "@weir/protocol"
import fc from "fast-check"
import {
  readRequestSignature,
  type SignedRequest,
  verifyRequestSignature,
} from "../../src/authenticate/signed-request.ts"
import { importSecret, type VerificationKey } from "../../src/authenticate/token.ts"
import { createRouter } from "../../src/request/router.ts"
import { parseQuery, parseTarget } from "../../src/request/target.ts"
import { fuzz, fuzzTimeoutMs } from "./fuzz.ts"

/** Runs what may refuse with one of these codes; anything else that it throws is a finding. */
function orRefusal<T>(codes: readonly number[], run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof ApiError && codes.includes(error.code)) return null
    throw error
  }
}
const inputCode = 4

describe("targets and routes", () => {
  const templates: readonly [Method, string][] = [
    ["GET", "/api/v2/users"],
    ["POST", "/api/v2/users"],
    ["POST", "/api/v2/users/{user_id}/deactivate"],
    ["POST", "/api/v2/chat/channels/{type}/query"],
    ["POST", "/api/v2/chat/channels/{type}/{id}"],
    ["POST", "/api/v2/chat/channels/{type}/{id}/query"],
    ["DELETE", "/api/v2/chat/channels/{type}/{id}"],
    ["POST", "/api/admin/v1/apps"],
    ["GET", "/api/admin/v1/apps/{app}/keys/{api_key}"],
  ]
  const router = createRouter<string>()
  for (const [method, template] of templates) router.add(method, template, `${method} ${template}`)

  /** The one reading that there may be: segment by segment, by bytes, literals before parameters. */
  function findNaively(method: string, path: string): string | null {
    const segments = path.split("/")
    const fits = templates.filter(([of, template]) => {
      const wanted = template.split("/")
      if (of !== method || wanted.length !== segments.length) return false
      return wanted.every((part, at) => (part.startsWith("{") ? segments[at] !== "" : part === segments[at]))
    })
    const literals = (template: string): string => template.replace(/\{\w+\}/g, "\uffff")
    const [best] = fits.sort(([, a], [, b]) => (literals(a) < literals(b) ? -1 : 1))
    return best === undefined ? null : best.join(" ")
  }

  const segments = fc.oneof(
    fc.constantFrom(
      "api",
      "v2",
      "admin",
      "v1",
      "apps",
      "users",
      "chat",
      "channels",
      "query",
      "messaging",
      "deactivate",
    ),
    fc.constantFrom(
      "",
      ".",
      "..",
      "%2e",
      "%2E%2e",
      "%2f",
      "%00",
      "%",
      "%zz",
      "%c0%af",
      "API",
      "Users",
      "users ",
      "a%20b",
    ),
    fc.constantFrom("__proto__", "constructor", "toString", ";x=1", "users;x", "%75sers", "{type}", "*"),
    fc.string({ maxLength: 5 }).map((text) => text.replace(/[/?]/g, "")),
  )
  const changes = fc.constantFrom<(path: string) => string>(
    (path) => path,
    (path) => path.replace("/", "//"),
    (path) => path.replace("users", "%75sers"),
    (path) => path.replace("/v2/", "/v2/./"),
    (path) => path.replace("/v2/", "/x/../v2/"),
    (path) => path.replace("/v2/", "/v2%2f"),
    (path) => path.toUpperCase(),
    (path) => `${path}/`,
    (path) => `${path}%00`,
    (path) => `${path};.json`,
    (path) => path.replaceAll("/", "\\"),
  )
  const filled = fc
    .tuple(fc.constantFrom(...templates), segments, segments, changes)
    .map(([[, template], a, b, change]) => change(template.replace(/\{\w+\}/, a).replace(/\{\w+\}/, b)))
  const paths = fc.oneof(
    filled,
    fc.array(segments, { maxLength: 9 }).map((parts) => `/${parts.join("/")}`),
  )
  const methods = fc.constantFrom("GET", "POST", "DELETE", "PATCH", "get", "Post", "HEAD", "TRACE", "__proto__")

  test(
    "case 34: no spelling of a path reaches another route than the one that it spells",
    () => {
      let found = 0
      fuzz("paths", fc.tuple(methods, paths), ([method, path]) => {
        const naive = findNaively(method, path)
        const match = orRefusal([inputCode], () => router.find(method, path)?.value ?? "")
        // A broken escape in a parameter is refused, at the very route that it would have reached.
        if (match === null) expect(naive === null ? null : /%/.test(path)).toBe(true)
        else expect(match).toBe(naive ?? "")
        if (match) found += 1
      })
      expect(found).toBeGreaterThan(0)
    },
    fuzzTimeoutMs,
  )

  test(
    "case 66: any URL is read or refused, and its query as written",
    () => {
      const pieces = fc.oneof(
        fc.constantFrom(
          "&",
          "=",
          "?",
          "#",
          "[",
          "]",
          "[]",
          "[0]",
          "%",
          "%41",
          "%zz",
          "%00",
          "+",
          "api_key",
          "__proto__",
        ),
        fc.string({ unit: "binary", maxLength: 3 }),
      )
      const queries = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""))
      fuzz(
        "targets",
        fc.tuple(fc.constantFrom("http://weir.test", "https://a:1", "", "x"), paths, queries),
        ([origin, path, query]) => {
          const target = orRefusal([inputCode], () => parseTarget(`${origin}${path}?${query}`))
          // Another question mark in the path begins the query there.
          if (target !== null && !path.includes("?")) {
            expect(target.path).toBe(origin === "" || origin === "x" ? target.path : path)
            for (const [name, values] of target.query) {
              expect(typeof name).toBe("string")
              expect(values.length).toBeGreaterThan(0)
            }
          }
          const once = orRefusal([inputCode], () => JSON.stringify([...parseQuery(query)]))
          const twice = orRefusal([inputCode], () => JSON.stringify([...parseQuery(query)]))
          expect(twice).toBe(once)
        },
      )
    },
    fuzzTimeoutMs,
  )
})

describe("signed requests (RFC 9421)", () => {
  const secret = "fuzz-secret-fuzz-secret-fuzz-secret-fuzz"
  const keys: readonly VerificationKey[] = [{ kid: "k1", alg: "HS256", key: importSecret(secret), state: "active" }]
  const now = 1_700_000_000
  const body = '{"users":{}}'
  const path = "/api/v2/users"
  const query = "?api_key=a1b2c3d4e5f6"
  const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`

  const params = `("@method" "@path" "@query" "content-digest");created=${now};nonce="${"n".repeat(16)}";keyid="a1b2c3d4e5f6";alg="hmac-sha256"`
  const base = [
    `"@method": POST`,
    `"@path": ${path}`,
    `"@query": ${query}`,
    `"content-digest": ${digest}`,
    `"@signature-params": ${params}`,
  ].join("\n")
  const mac = createHmac("sha256", secret).update(base).digest()
  const good = {
    method: "POST",
    target: path + query,
    body,
    input: `sig1=${params}`,
    signature: `sig1=:${mac.toString("base64")}:`,
    digest,
  }
  type Parts = typeof good
  const requestOf = (parts: Parts): SignedRequest => ({
    method: parts.method,
    targetUri: parts.target,
    authority: "weir.example",
    header: (name) =>
      new Map([
        ["signature-input", parts.input],
        ["signature", parts.signature],
        ["content-digest", parts.digest],
      ]).get(name) ?? null,
    body: Buffer.from(parts.body),
  })
  const codes = [5, 40, 42, 43]

  const inserted = fc.oneof(
    fc.constantFrom(
      '"',
      "(",
      ")",
      ";",
      "=",
      ":",
      ",",
      " ",
      ";created=1",
      ';alg="none"',
      ";expires=1",
      "sig1=",
      "sig2=()",
    ),
    fc.constantFrom(
      '"@authority"',
      '"__proto__"',
      '"constructor"',
      "constructor=:AAAA:",
      "__proto__=:AA==:",
      "sha-512=:AA==:",
    ),
    fc.constantFrom(', sig1=("@method")', ";nonce=1", ';keyid="x:y:z"', "*", "\t", "\\", ";tag", ";;"),
    fc.string({ unit: "grapheme", maxLength: 3 }),
  )
  const edits = fc.array(
    fc.tuple(
      fc.constantFrom<keyof Parts>(
        "method",
        "target",
        "body",
        "input",
        "input",
        "input",
        "signature",
        "digest",
        "digest",
      ),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.oneof(fc.constant(0), fc.nat({ max: 6 }), fc.constant(1_000)),
      inserted,
    ),
    { maxLength: 3 },
  )

  test(
    "case 66: a damaged signature proves nothing but what was signed, and never throws another error",
    () => {
      let accepted = 0
      fuzz("request signatures", edits, (changes) => {
        const parts = { ...good }
        for (const [name, at, length, text] of changes) {
          const start = Math.floor(at * parts[name].length)
          parts[name] = parts[name].slice(0, start) + text + parts[name].slice(start + length)
        }
        const request = requestOf(parts)
        const proving = orRefusal(codes, () =>
          verifyRequestSignature(request, readRequestSignature(request), keys, now),
        )
        if (proving === null) return
        accepted += 1
        // Everything that the signature speaks for is as it was signed.
        expect([parts.method, parts.target, parts.body]).toEqual([good.method, good.target, good.body])
        const { signature, nonce, covered } = readRequestSignature(request)
        expect(Buffer.from(signature).equals(mac)).toBe(true)
        expect([nonce, covered.length]).toEqual(["n".repeat(16), 4])
      })
      expect(accepted).toBeGreaterThan(0)
    },
    fuzzTimeoutMs,
  )
})

test(
  "case 65: whatever a client says of itself, it counts for one of the platforms, and none says server",
  () => {
    const words = fc.constantFrom(
      "ios",
      "iOS",
      "swift",
      "android",
      "kotlin",
      "axios",
      "server",
      "-",
      "_",
      "/",
      " ",
      "web",
      "1.2",
    )
    const clients = fc.oneof(
      fc.array(words, { maxLength: 20 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary", maxLength: 300 }),
    )
    const counted = new Set<string>()
    fuzz("platforms", clients, (client) => {
      const platform = platformOf(false, client)
      counted.add(platform)
      expect(platforms).toContain(platform)
      expect(platform).not.toBe("server")
      expect(platformOf(true, client)).toBe("server")
      // Nothing behind the part that is looked at changes the answer.
      if (client.length >= 200) expect(platformOf(false, `${client} ios`)).toBe(platform)
    })
    expect([...counted].sort()).toEqual(["android", "ios", "web"])
  },
  fuzzTimeoutMs,
)
