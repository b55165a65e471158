// The explorer over the document that the server really makes.

import { describe, expect, test } from "bun:test"
import type { Operation } from "@weir/protocol"
import * as protocol from "@weir/protocol"
import { inputReader } from "../../../../server/src/request/input.ts"
import { openApiOf } from "../../../../server/src/request/openapi.ts"
import { curlOf, nodeOf } from "./code.ts"
import { isAdmin, isReading, readDocument, search } from "./document.ts"
import { choicesOf, sampleOf, typeText } from "./sample.ts"
import { bodyBytesMax, readBounded } from "./send.ts"

const isOperation = (value: object): value is Operation => "method" in value && "access" in value && "path" in value

function operationsIn(value: object, depth = 0): Operation[] {
  if (depth > 3) return []
  return Object.values(value).flatMap((member: unknown) => {
    if (typeof member !== "object" || member === null || Array.isArray(member) || "~kind" in member) return []
    return isOperation(member) ? [member] : operationsIn(member, depth + 1)
  })
}
const published = operationsIn(protocol)
const document = readDocument(JSON.parse(JSON.stringify(openApiOf(published, "1.0.0"))))
const find = (id: string) => {
  const found = document.operations.find((operation) => operation.id === id)
  if (found === undefined) throw new Error(`${id} is missing`)
  return found
}

describe("readDocument", () => {
  test("every operation is there, with what it takes", () => {
    expect(document.operations.map(({ id }) => id)).toEqual(published.map(({ name }) => name).sort())
    expect(document.tags.map(({ name }) => name)).toEqual(["chat", "common", "feeds", "video", "admin"])
    const { parameters, body, method, path } = find("SendMessage")
    expect([method, path]).toEqual(["POST", "/api/v2/chat/channels/{type}/{id}/message"])
    expect(parameters.map(({ name, where, required }) => [name, where, required])).toEqual([
      ["type", "path", true],
      ["id", "path", true],
    ])
    expect(body?.required).toEqual(["message"])
    expect(find("GetCall").body).toBeNull()
  })

  test("the key, which the explorer fills in, is not asked for", () => {
    for (const { parameters } of document.operations) {
      for (const { name, where } of parameters) expect([name, where]).not.toEqual(["api_key", "header"])
    }
    expect(find("QueryUsers").parameters.map(({ name }) => name)).not.toContain("api_key")
  })

  test("what changes something is never taken for reading", () => {
    const reading = document.operations.filter((operation) => isReading(operation) && operation.method !== "GET")
    expect(reading.map(({ id }) => id)).toEqual([
      "Explain",
      "InspectToken",
      "QueryCallMembers",
      "QueryChannels",
      "QueryFollows",
    ])
    expect(isReading(find("GetOrCreateFeed"))).toBe(false)
    expect(isReading(find("ListenToHooks"))).toBe(false)
    expect(isAdmin(find("ListApps"))).toBe(true)
    expect(isAdmin(find("QueryChannels"))).toBe(false)
  })

  test("a search looks for every word", () => {
    const ids = search(document.operations, "channels QUERY").map(({ id }) => id)
    expect(ids).toContain("QueryChannels")
    expect(ids).not.toContain("ListApps")
    expect(search(document.operations, "no such thing at all")).toEqual([])
  })
})

describe("sampleOf", () => {
  const now = new Date(0)

  // A sample that the operation refuses would only teach what is wrong. Texts with a pattern of their own are left to
  // whoever fills them in, and so are choices between them.
  test("has the form of the operation, with and without what may be left out", () => {
    const leftOpen =
      /pattern|must match a schema in anyOf|must have at (most|least)|must not have (more|fewer) than \d+ characters/
    const faults = document.operations.flatMap(({ id, body }) => {
      const operation = published.find(({ name }) => name === id)
      if (body === null || operation === undefined) return []
      const reader = inputReader({ ...operation, params: protocol.Empty, query: protocol.Empty })
      return [true, false].flatMap((optional) => {
        try {
          reader.read({}, { get: () => null } as never, sampleOf(body, { optional, now }))
          return []
        } catch (error) {
          if (!(error instanceof protocol.ApiError)) throw error
          const wrong = Object.entries(error.fields ?? {}).filter(([, text]) => !leftOpen.test(text))
          return wrong.map(([field, text]) => `${id} ${field} ${text}`)
        }
      })
    })
    expect(faults).toEqual([])
  })

  test("holds what is required alone, or everything", () => {
    const { body } = find("CreateGuest")
    if (body === null) throw new Error("CreateGuest takes a body")
    expect(sampleOf(body, { optional: false, now })).toEqual({ user: { id: "text" } })
    expect(Object.keys((sampleOf(body, { optional: true, now }) as { user: object }).user)).toContain("name")
  })

  test("is said in words", () => {
    expect(typeText({ type: "array", items: { type: "string" } })).toBe("list of text")
    expect(typeText({ anyOf: [{ const: "a" }, { const: "b" }] })).toBe('"a" or "b"')
    expect(typeText({})).toBe("any value")
    expect(choicesOf({ anyOf: [{ const: "a" }, { const: "b" }] })).toEqual(["a", "b"])
    expect(choicesOf({ anyOf: [{ const: "a" }, { type: "null" }] })).toBeNull()
    expect(choicesOf({ type: "boolean" })).toEqual(["true", "false"])
  })
})

describe("code", () => {
  const request = {
    method: "POST",
    origin: "https://weir.example",
    address: "/api/v2/users?a=1",
    apiKey: "abc",
    body: { text: "it's $HOME" },
  }

  test("a shell sends exactly the body", () => {
    const line = curlOf(request).replace("curl ", "printf '%s\\n' ")
    const { stdout } = Bun.spawnSync(["sh", "-c", line], { env: { WEIR_TOKEN: "token" } })
    expect(stdout.toString().split("\n").slice(0, 7)).toEqual([
      "https://weir.example/api/v2/users?a=1&api_key=abc",
      "-H",
      "stream-auth-type: jwt",
      "-H",
      "authorization: token",
      "-H",
      "content-type: application/json",
    ])
    expect(stdout.toString()).toContain(JSON.stringify(request.body))
  })

  test("Node sends exactly the request", async () => {
    const seen: { method: string; url: string; token: string | null; body: unknown }[] = []
    const server = Bun.serve({
      port: 0,
      async fetch(received) {
        const { pathname, search: query } = new URL(received.url)
        const token = received.headers.get("authorization")
        seen.push({ method: received.method, url: pathname + query, token, body: await received.json() })
        return Response.json({ fine: true })
      },
    })
    try {
      const code = nodeOf({ ...request, origin: server.url.origin })
      const child = Bun.spawn([process.execPath, "-e", code], { env: { WEIR_TOKEN: "token" }, stdout: "pipe" })
      expect(await new Response(child.stdout).text()).toContain("200")
    } finally {
      await server.stop(true)
    }
    expect(seen).toEqual([{ method: "POST", url: "/api/v2/users?a=1&api_key=abc", token: "token", body: request.body }])
  })

  test("the management API is asked with the operator's token", () => {
    const admin = { ...request, method: "DELETE", apiKey: null, body: undefined, address: "/api/admin/v1/apps" }
    expect(curlOf(admin)).toBe(
      "curl -X DELETE 'https://weir.example/api/admin/v1/apps' \\\n  -H \"authorization: Bearer $WEIR_ADMIN_TOKEN\"",
    )
    expect(nodeOf(admin)).toContain("WEIR_ADMIN_TOKEN")
  })
})

describe("readBounded", () => {
  test("reads no more than its bound, and says so", async () => {
    const whole = await readBounded(new Response("short"))
    expect(whole).toEqual({ body: "short", bytes: 5, end: "whole" })
    const cut = await readBounded(new Response("a".repeat(bodyBytesMax + 1)))
    expect([cut.bytes, cut.body.length, cut.end]).toEqual([bodyBytesMax, bodyBytesMax, "cut"])
    expect((await readBounded(new Response("a".repeat(bodyBytesMax)))).end).toBe("whole")
  })

  test("keeps what came of an answer that broke off", async () => {
    let pulls = 0
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new TextEncoder().encode("first line\n"))
        else controller.error(new Error("broken"))
      },
    })
    expect(await readBounded(new Response(broken))).toEqual({ body: "first line\n", bytes: 11, end: "stopped" })
  })
})
