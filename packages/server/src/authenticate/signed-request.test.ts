import { describe, expect, test } from "bun:test"
import { createHash, createHmac, randomBytes } from "node:crypto"
import { ApiError } from "@weir/protocol"
import fc from "fast-check"
import { readRequestSignature, type SignedRequest, signatureBase, verifyRequestSignature } from "./signed-request.ts"
import { importSecret, type VerificationKey } from "./token.ts"

const secret = randomBytes(32).toString("hex")
const apiKey = "a1b2c3d4e5f6"
const keys: VerificationKey[] = [{ kid: "k1", alg: "HS256", key: importSecret(secret), state: "active" }]
const now = 1_700_000_000

interface Parts {
  method: string
  target: string
  body: string
  created: number
  nonce: string
  keyid: string
  alg: string
  covered: string[]
  extra: string
  secret: string
  /** The field Content-Digest, where it is not the usual one. */
  digest: string | null
}
const usual: Parts = {
  method: "POST",
  target: `/api/v2/users?api_key=${apiKey}`,
  body: '{"users":{}}',
  created: now,
  nonce: "n".repeat(16),
  keyid: apiKey,
  alg: "hmac-sha256",
  covered: ["@method", "@path", "@query", "content-digest"],
  extra: "",
  secret,
  digest: null,
}
const digestOf = (body: string, hash = "sha256", name = "sha-256"): string =>
  `${name}=:${createHash(hash).update(body).digest("base64")}:`

/** A signed request, made here from the RFC alone. */
function signed(over: Partial<Parts> = {}): SignedRequest & { headers: Record<string, string> } {
  const parts = { ...usual, ...over }
  const list = parts.covered.map((name) => `"${name}"`).join(" ")
  const params = `(${list});created=${parts.created};nonce="${parts.nonce}";keyid="${parts.keyid}";alg="${parts.alg}"${parts.extra}`
  const headers: Record<string, string> = {
    host: "weir.example",
    "content-digest": parts.digest ?? digestOf(parts.body),
    "signature-input": `sig1=${params}`,
  }
  const [path, query] = parts.target.split("?")
  const values: Record<string, string> = {
    "@method": parts.method,
    "@path": path as string,
    "@query": query === undefined ? "?" : `?${query}`,
    "@target-uri": `https://weir.example${parts.target}`,
    "@authority": "weir.example",
    "@request-target": parts.target,
    "content-digest": headers["content-digest"] as string,
  }
  const base = [...parts.covered.map((name) => `"${name}": ${values[name]}`), `"@signature-params": ${params}`].join(
    "\n",
  )
  headers.signature = `sig1=:${createHmac("sha256", parts.secret).update(base).digest("base64")}:`
  return requestOf(parts.method, parts.target, parts.body, headers)
}

const requestOf = (method: string, targetUri: string, body: string, headers: Record<string, string>) => ({
  method,
  targetUri,
  authority: "weir.example",
  body: Buffer.from(body),
  headers,
  header: (name: string) => headers[name] ?? null,
})

const verify = (request: SignedRequest, at = now): VerificationKey =>
  verifyRequestSignature(request, readRequestSignature(request), keys, at)

function refusalOf(request: SignedRequest, at = now): [number, string | undefined] | null {
  try {
    verify(request, at)
    return null
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return [error.code, error.why?.rule]
  }
}

test("the vector of RFC 9421, Appendix B.2.5", () => {
  const shared = Buffer.from(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    "base64",
  )
  const request: SignedRequest = {
    method: "POST",
    targetUri: "/foo?param=Value&Pet=dog",
    authority: "example.com",
    body: Buffer.from('{"hello": "world"}'),
    header: (name) => ({ date: "Tue, 20 Apr 2021 02:07:55 GMT", "content-type": "application/json" })[name] ?? null,
  }
  const params = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
  const base = signatureBase(request, { covered: ["date", "@authority", "content-type"], params }, "https")
  expect(createHmac("sha256", shared).update(base).digest("base64")).toBe(
    "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
  )
})

describe("what is accepted", () => {
  test.each([
    ["path and query", {}],
    ["the whole target", { covered: ["@method", "@target-uri", "content-digest"] }],
    ["more than is needed", { covered: ["@method", "@path", "@query", "@authority", "content-digest"] }],
    ["no body, no digest", { body: "", covered: ["@method", "@path", "@query"] }],
    ["no query", { target: "/api/v2/app" }],
    ["an end that is not reached", { extra: `;expires=${now + 10}` }],
    ["a tag", { extra: ';tag="weir"' }],
    ["a named secret", { keyid: `${apiKey}:k1` }],
    ["300 s ago", { created: now - 300 }],
    ["300 s ahead", { created: now + 300 }],
  ] as [string, Partial<Parts>][])("%s", (_name, over) => {
    expect(verify(signed(over)).kid).toBe("k1")
  })

  test("a request that was signed as https and came through a proxy as http", () => {
    expect(verify(signed({ covered: ["@method", "@target-uri", "content-digest"] })).kid).toBe("k1")
  })

  test("several signatures: the one that is meant for this is found", () => {
    const request = signed()
    request.headers["signature-input"] =
      `other=("date");created=1;keyid="x";alg="ed25519", ${request.headers["signature-input"]}`
    request.headers.signature = `other=:AAAA:, ${request.headers.signature}`
    expect(verify(request).kid).toBe("k1")
  })

  test("several signatures of one kind: the one with the key of the request is found", () => {
    const request = signed()
    const proxy = '("@method");created=1;keyid="proxy";alg="hmac-sha256"'
    request.headers["signature-input"] = `proxy=${proxy}, ${request.headers["signature-input"]}`
    request.headers.signature = `proxy=:AAAA:, ${request.headers.signature}`
    expect(verifyRequestSignature(request, readRequestSignature(request, apiKey), keys, now).kid).toBe("k1")
    // Without a key nobody can tell them apart, so the first counts.
    expect(refusalOf(request)).toEqual([5, "nonce"])
  })

  test("a digest by SHA-512, and kinds that are not known beside one that is", () => {
    for (const digest of [
      digestOf(usual.body, "sha512", "sha-512"),
      `md5=:AAAA:, ${digestOf(usual.body)}`,
      `${digestOf(usual.body)}, ${digestOf(usual.body, "sha512", "sha-512")}`,
    ]) {
      expect(verify(signed({ digest })).kid).toBe("k1")
    }
  })
})

const usualInput = `sig1=("@method" "@path" "@query");nonce="${usual.nonce}";keyid="${apiKey}";alg="hmac-sha256"`
const labelled = (label: string) => ({
  "signature-input": `${usualInput};created=${now}`,
  signature: `${label}=:AAAA:`,
})

describe("what is refused", () => {
  test.each([
    ["another secret", { secret: randomBytes(32).toString("hex") }, [43, "mac"]],
    ["another named secret", { keyid: `${apiKey}:k2` }, [43, "mac"]],
    ["too long ago", { created: now - 301 }, [40, "created"]],
    ["too far ahead", { created: now + 301 }, [42, "created"]],
    ["an end that is reached", { extra: `;expires=${now}` }, [40, "expires"]],
    ["another algorithm", { alg: "rsa-pss-sha512" }, [5, "alg"]],
    ["no method", { covered: ["@path", "@query", "content-digest"] }, [5, "covered"]],
    ["no query", { covered: ["@method", "@path", "content-digest"] }, [5, "covered"]],
    ["no digest", { covered: ["@method", "@path", "@query"] }, [5, "content-digest"]],
    ["a component twice", { covered: ["@method", "@method", "@path", "@query", "content-digest"] }, [5, "covered"]],
    ["a short nonce", { nonce: "n".repeat(15) }, [5, "nonce"]],
    ["a long nonce", { nonce: "n".repeat(129) }, [5, "nonce"]],
    ["no key", { keyid: "" }, [5, "keyid"]],
    ["more components than are read", { covered: [...usual.covered, ..."abcdefghijklm"] }, [5, "covered"]],
    ["a component that is not there", { covered: [...usual.covered, "x-nowhere"] }, [5, "covered"]],
    ["a component with power of its own", { covered: [...usual.covered, "@status"] }, [5, "covered"]],
    ["three parts in a key", { keyid: "a:b:c" }, [5, "keyid"]],
    ["a parameter that nobody knows", { extra: ";sudo=1" }, [5, "parameter"]],
    ["a parameter twice", { extra: `;created=${now}` }, [5, "form"]],
  ] as [string, Partial<Parts>, [number, string]][])("%s", (_name, over, expected) => {
    expect(refusalOf(signed(over))).toEqual(expected)
  })

  test.each([
    ["nothing", {}, [5, "missing"]],
    ["half", { "signature-input": 'sig1=("@method");created=1' }, [5, "missing"]],
    ["garbage", { "signature-input": "()", signature: "x" }, [5, "form"]],
    ["no signature with that label", labelled("sig2"), [5, "signature"]],
    ["a signature that is no binary", { ...labelled("sig1"), signature: 'sig1="text"' }, [5, "signature"]],
    ["a label twice", { "signature-input": "a=();a=1, b=(), a=()", signature: "a=:AA:" }, [5, "form"]],
    ["five signatures", { "signature-input": "a=(), b=(), c=(), d=(), e=()", signature: "a=:AA:" }, [5, "form"]],
    ["a created of text", { "signature-input": `${usualInput};created="1"`, signature: "sig1=:AA:" }, [5, "created"]],
    ["no created", { "signature-input": usualInput, signature: "sig1=:AA:" }, [5, "created"]],
    ["a parameter without a value", { "signature-input": `${usualInput};x`, signature: "sig1=:AA:" }, [5, "form"]],
    ["too much", { "signature-input": "a".repeat(5_000), signature: "x" }, [5, "size"]],
    ["an unclosed list", { "signature-input": 'sig1=("@method";created=1', signature: "sig1=:AA:" }, [5, "form"]],
  ] as [string, Record<string, string>, [number, string]][])("fields: %s", (_name, headers, expected) => {
    expect(refusalOf(requestOf("GET", "/", "", headers))).toEqual(expected)
  })

  test("a digest of another body, of no known kind, or none", () => {
    for (const [digest, expected] of [
      [digestOf("other"), [5, "content-digest"]],
      ["md5=:AAAA:", [5, "content-digest"]],
      [`${digestOf(usual.body)}, ${digestOf("other", "sha512", "sha-512")}`, [5, "content-digest"]],
    ] as const) {
      const request = signed()
      request.headers["content-digest"] = digest
      expect(refusalOf(request)).toEqual([...expected])
    }
    const bare = signed()
    delete bare.headers["content-digest"]
    expect(refusalOf(bare)).toEqual([5, "content-digest"])
  })
})

test("property: whatever part of a signed request is changed, it is refused", () => {
  const change = fc.constantFrom("method", "target", "body", "created", "nonce", "keyid", "signature")
  fc.assert(
    fc.property(change, fc.stringMatching(/^[a-z0-9]{1,20}$/), (what, text) => {
      const good = signed()
      const headers = { ...good.headers }
      const input = headers["signature-input"] as string
      let { method, targetUri } = good
      let body = usual.body
      if (what === "method") method = `${method}${text}`
      if (what === "target") targetUri = `${targetUri}&${text}`
      if (what === "body") body = `${body}${text}`
      if (what === "created") headers["signature-input"] = input.replace(`created=${now}`, `created=${now - 1}`)
      if (what === "nonce") headers["signature-input"] = input.replace(usual.nonce, `${usual.nonce}${text}`)
      if (what === "keyid") headers["signature-input"] = input.replace(`"${apiKey}"`, `"${apiKey}${text}"`)
      if (what === "signature") headers.signature = `sig1=:${Buffer.from(text.padEnd(32)).toString("base64")}:`
      expect(refusalOf(requestOf(method, targetUri, body, headers))).not.toBeNull()
    }),
  )
  expect(refusalOf(signed())).toBeNull()
})

test("hostile fields end in a refusal of ours, fast", () => {
  const startedMs = performance.now()
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.string({ maxLength: 300 }), (input, signature) => {
      expect(refusalOf(requestOf("GET", "/", "", { "signature-input": input, signature }))).not.toBeNull()
    }),
  )
  for (const evil of [
    `sig1=(${'"a" '.repeat(900)}`,
    `sig1=()${';a="'.repeat(900)}`,
    `${"a=(),".repeat(600)}`,
    "(".repeat(4_000),
  ]) {
    expect(refusalOf(requestOf("GET", "/", "", { "signature-input": evil, signature: evil }))).not.toBeNull()
  }
  expect(performance.now() - startedMs).toBeLessThan(5_000)
})

// Names come from outside, and every object answers to a few that nobody has given it.
test("a digest named like an inherited member is one that is not known", () => {
  const request = signed()
  const headers = { ...request.headers, "content-digest": "constructor=:AAAA:" }
  const damaged = requestOf(request.method, request.targetUri, usual.body, headers)
  expect(() => verifyRequestSignature(damaged, readRequestSignature(damaged), keys, now)).toThrow(ApiError)
})
