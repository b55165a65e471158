import { describe, expect, test } from "bun:test"
import { errorOf, faultOf, outgoingFixtures, requestTo, textOf } from "../../test/outgoing-requests.ts"
import { answerOk, type OnRequest, ok, requestsAt, until } from "../../test/raw-server.ts"
import { selfSigned } from "../../test/self-signed.ts"
import { limits } from "./limits.ts"

const certificate = selfSigned("localhost")
const { closedAfterwards, newOutgoing, newServer } = outgoingFixtures()

describe("requests", () => {
  test("arrive as they were given, and their answer comes back", async () => {
    const seen: { method: string; url: string; headers: object; body: string }[] = []
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        const { method, url } = request
        seen.push({ method, url, headers: request.headers.toJSON(), body: await request.text() })
        return new Response("grüße", { status: 201, headers: { "X-One": "1" } })
      },
    })
    closedAfterwards({ close: () => server.stop(true) })
    const outgoing = newOutgoing()
    const url = `http://127.0.0.1:${server.port}/hook?a=b%20c`
    const response = await outgoing.send(requestTo(url, { body: '{"ü":"😀"}', headers: { "X-Signature": "é=" } }))
    expect(response).toMatchObject({ status: 201, isBodyCut: false, headers: { "x-one": "1" } })
    expect(textOf(response)).toBe("grüße")
    expect(response.durationMs).toBeGreaterThan(0)
    await outgoing.send(requestTo(url, { method: "GET", headers: {}, body: "" }))
    await outgoing.send(requestTo(url, { body: "", headers: {} }))
    await outgoing.send(requestTo(url, { body: Uint8Array.of(104, 105), headers: {} }))
    const common = { host: `127.0.0.1:${server.port}`, "accept-encoding": "identity" }
    expect(seen).toEqual([
      { method: "POST", url, headers: { ...common, "x-signature": "é=", "content-length": "13" }, body: '{"ü":"😀"}' },
      { method: "GET", url, headers: common, body: "" },
      { method: "POST", url, headers: { ...common, "content-length": "0" }, body: "" },
      { method: "POST", url, headers: { ...common, "content-length": "2" }, body: "hi" },
    ])
  })

  test("headers of the connection are the sender's own", async () => {
    const server = newServer(ok)
    const headers = {
      Host: "other.example.com",
      "Content-Length": "999",
      "Transfer-Encoding": "chunked",
      Connection: "upgrade",
      "Accept-Encoding": "gzip",
      Expect: "100-continue",
      a: "b",
    }
    await newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`, { headers }))
    expect(server.connections[0]?.received).toBe(
      `POST / HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\naccept-encoding: identity\r\na: b\r\ncontent-length: 2\r\n\r\n{}`,
    )
  })

  test.each([
    [{ a: "b\r\nhost: evil.example.com" }],
    [{ a: "b\nc" }],
    [{ a: "b\0" }],
    [{ a: "€" }],
    [{ "a\r\nb": "c" }],
    [{ "a b": "c" }],
    [{ "": "c" }],
    [{ "a:": "c" }],
  ])("case 62: a header that would become another one is not sent: %j", async (headers) => {
    const server = newServer(ok)
    expect(await faultOf(newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`, { headers })))).toBe(
      "protocol",
    )
    expect(server.connections).toEqual([])
  })

  test.each([["http"], ["https"]])("a big body over %s goes out whole", async (scheme) => {
    const body = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef!")
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      ...(scheme === "https" ? { tls: certificate } : {}),
      async fetch(request) {
        await Bun.sleep(30)
        return new Response(new Bun.CryptoHasher("sha256").update(await request.arrayBuffer()).digest("hex"))
      },
    })
    closedAfterwards({ close: () => server.stop(true) })
    const outgoing = newOutgoing({ ca: certificate.cert })
    const url = `${scheme}://localhost:${server.port}/`
    const sum = new Bun.CryptoHasher("sha256").update(body).digest("hex")
    for (let n = 0; n < 2; n++) {
      expect(textOf(await outgoing.send(requestTo(url, { body, timeoutMs: 10_000 })))).toBe(sum)
    }
  })

  test("an answer to half a request counts, and the connection is not used again", async () => {
    const server = newServer((socket) => {
      socket.pause()
      socket.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
    })
    const outgoing = newOutgoing()
    const url = `http://127.0.0.1:${server.port}/`
    const body = Buffer.alloc(32 * 1024 * 1024)
    for (let n = 1; n <= 2; n++) {
      expect((await outgoing.send(requestTo(url, { body }))).status).toBe(413)
      expect(server.connections).toHaveLength(n)
    }
  })
})

describe("answers", () => {
  test.each([
    ["HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nall", 200, "all"],
    ["in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nal\r\n1\r\nl\r\n0\r\n\r\n", 200, "all"],
    ["204", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""],
    ["after a 100", `HTTP/1.1 100 Continue\r\n\r\n${answerOk("all")}`, 200, "all"],
    ["500", "HTTP/1.1 500 Oh\r\ncontent-length: 3\r\n\r\nall", 500, "all"],
  ])("%s", async (_, answer, status, body) => {
    const server = newServer((socket) => socket.end(answer))
    const response = await newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`))
    expect([response.status, textOf(response)]).toEqual([status, body])
  })

  test("case 62: nothing is decompressed", async () => {
    const packed = Buffer.from(Bun.gzipSync(Buffer.alloc(100_000)))
    const server = newServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`)
      socket.write(packed)
    })
    const response = await newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`))
    expect(Buffer.from(response.body)).toEqual(packed)
  })

  test.each([
    ["with a length", "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n"],
    ["in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n"],
    ["until the end", "HTTP/1.1 200 OK\r\n\r\n"],
  ])("case 62: an endless body %s is read up to the bound, and the connection ended", async (_, head) => {
    const server = newServer((socket, connection) => {
      socket.write(head)
      const more = (): void => {
        if (connection.isOver) return
        socket.write("x".repeat(10_000))
        setTimeout(more, 1)
      }
      more()
    })
    const outgoing = newOutgoing()
    const response = await outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`, { responseBytesMax: 25_000 }))
    expect([response.status, response.isBodyCut, response.body.length]).toEqual([200, true, 25_000])
    await until(() => server.connections[0]?.isOver === true)
    const none = await outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`, { responseBytesMax: 0 }))
    expect([none.isBodyCut, none.body.length]).toEqual([true, 0])
  })

  test.each([
    ["no HTTP", "220 mail.example.com ESMTP\r\n"],
    ["headers without end", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(10_000)}`],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"],
  ])("case 62: %s is a fault, and the connection ended", async (_, answer) => {
    const server = newServer((socket) => socket.write(answer))
    expect(await faultOf(newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`)))).toBe("protocol")
    await until(() => server.connections[0]?.isOver === true)
  })

  test("a connection that ends before the answer does", async () => {
    for (const answer of ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"]) {
      const server = newServer((socket) => socket.end(answer))
      const error = await errorOf(newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`)))
      expect(error.fault).toBe("reset")
      expect(error.message).toContain(answer === "" ? "unanswered" : "in the middle")
      // Not tried again: the server had its chance.
      expect(server.connections).toHaveLength(1)
    }
  })

  test("nobody takes connections", async () => {
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
    const { port } = server
    server.stop(true)
    const error = await errorOf(newOutgoing().send(requestTo(`http://127.0.0.1:${port}/`)))
    expect([error.fault, error.message]).toEqual(["connect", "no connection came about (ECONNREFUSED)"])
  })
})

describe("case 62: time-outs", () => {
  async function timesOut(sent: Promise<unknown>, step: string): Promise<void> {
    const error = await errorOf(sent)
    expect([error.fault, error.message]).toEqual(["timeout", expect.stringContaining(step)])
    expect(error.durationMs).toBeGreaterThanOrEqual(95)
    expect(error.durationMs).toBeLessThan(1_500)
  }

  test("case 62: a server that says nothing, and one that says a byte at a time", async () => {
    const silent = newServer(() => {})
    const drop: OnRequest = (socket, connection) => {
      const bytes = `HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${"x".repeat(1_000)}`
      let at = 0
      const more = (): void => {
        if (connection.isOver) return
        socket.write(bytes[at++] ?? "")
        setTimeout(more, 5)
      }
      more()
    }
    const slow = newServer(drop)
    const outgoing = newOutgoing()
    for (const { port, connections } of [silent, slow]) {
      await timesOut(outgoing.send(requestTo(`http://127.0.0.1:${port}/`, { timeoutMs: 100 })), "the answer")
      await until(() => connections[0]?.isOver === true)
    }
    expect([silent, slow].map(({ connections }) => connections.length)).toEqual([1, 1])
  })

  test("case 62: a TLS handshake that never ends", async () => {
    const server = newServer(() => {})
    const outgoing = newOutgoing()
    await timesOut(outgoing.send(requestTo(`https://127.0.0.1:${server.port}/`, { timeoutMs: 100 })), "connecting")
    await until(() => server.connections[0]?.isOver === true)
  })

  test("case 62: a look-up that never ends harms no later request", async () => {
    const server = newServer(ok)
    let lookUps = 0
    const resolve = (): Promise<readonly string[]> => {
      lookUps += 1
      return new Promise(() => {})
    }
    const outgoing = newOutgoing({ resolve })
    const url = `http://backend.example.com:${server.port}/`
    await Promise.all([
      timesOut(outgoing.send(requestTo(url, { timeoutMs: 100 })), "the look-up of the name"),
      timesOut(outgoing.send(requestTo(url, { timeoutMs: 120 })), "the look-up of the name"),
    ])
    expect(lookUps).toBe(1)
    expect((await outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`))).status).toBe(200)
    expect(server.connections).toHaveLength(1)
  })
})

describe("look-ups", () => {
  test("requests at the same time share one; a name without addresses and one that fails are faults", async () => {
    const server = newServer(ok)
    let lookUps = 0
    const resolve = async (host: string): Promise<readonly string[]> => {
      lookUps += 1
      await Bun.sleep(10)
      if (host.startsWith("gone")) throw new Error("NXDOMAIN")
      if (host.startsWith("many")) return Array.from({ length: limits.addressesMax + 1 }, () => "127.0.0.1")
      return host.startsWith("empty") ? [] : ["127.0.0.1"]
    }
    const outgoing = newOutgoing({ resolve })
    const to = (host: string) => outgoing.send(requestTo(`http://${host}:${server.port}/`))
    await Promise.all(Array.from({ length: 5 }, () => to("backend.example.com")))
    expect(lookUps).toBe(1)
    for (const host of ["gone.example.com", "empty.example.com", "many.example.com"]) {
      expect([host, await faultOf(to(host))]).toEqual([host, "dns"])
    }
    // Nothing of it is remembered.
    expect(await faultOf(to("gone.example.com"))).toBe("dns")
    expect(lookUps).toBe(5)
  })

  test("the next address is tried when one takes no connection", async () => {
    const server = newServer(ok)
    const outgoing = newOutgoing({ resolve: async () => ["127.0.0.3", "127.0.0.2", "127.0.0.1"] })
    expect((await outgoing.send(requestTo(`http://backend.example.com:${server.port}/`))).status).toBe(200)
    const tooMany = ["127.0.0.3", "127.0.0.2", "127.0.0.4", "127.0.0.5", "127.0.0.1"]
    expect(tooMany).toHaveLength(limits.addressesTriedMax + 1)
    const other = newOutgoing({ resolve: async () => tooMany })
    expect(await faultOf(other.send(requestTo(`http://backend.example.com:${server.port}/`)))).toBe("connect")
  })

  // 2d00::1 belongs to nobody: where IPv6 leads out, nothing comes back from there.
  test("an address that swallows everything does not hold up the one after it, whatever their number", async () => {
    const server = newServer(ok)
    const swallowing = ["2d00::1", "2d00::2", "2d00::3", "2d00::4", "2d00::5"]
    const outgoing = newOutgoing({ resolve: async () => [...swallowing, "127.0.0.1"] })
    const response = await outgoing.send(requestTo(`http://backend.example.com:${server.port}/`))
    expect(response.status).toBe(200)
    expect(response.durationMs).toBeLessThan(1_500)
    expect(server.connections).toHaveLength(1)
  })

  test("a slow handshake lets the next address be tried, one request is sent, and the other connection ended", async () => {
    const secure = newServer(ok, { tls: certificate })
    const silent = newServer(() => {}, { hostname: "127.0.0.2", port: secure.port })
    const outgoing = newOutgoing({ ca: certificate.cert, resolve: async () => ["127.0.0.2", "127.0.0.1"] })
    expect((await outgoing.send(requestTo(`https://localhost:${secure.port}/`))).status).toBe(200)
    await until(() => silent.connections[0]?.isOver === true)
    expect(requestsAt(secure)).toBe(1)
    // None is left over that an end of the time could find.
    const error = await errorOf(
      newOutgoing({ ca: certificate.cert, resolve: async () => ["127.0.0.2", "127.0.0.2"] }).send(
        requestTo(`https://localhost:${secure.port}/`, { timeoutMs: limits.addressStaggerMs + 100 }),
      ),
    )
    expect(error.fault).toBe("timeout")
  })

  test("the system's own knows localhost; addressesOf answers for names and addresses", async () => {
    const outgoing = newOutgoing()
    const addresses = await outgoing.addressesOf("localhost")
    expect(addresses.length).toBeGreaterThan(0)
    for (const address of addresses) expect(["127.0.0.1", "::1"]).toContain(address)
    expect(await outgoing.addressesOf("127.1")).toEqual(["127.0.0.1"])
    expect(await outgoing.addressesOf("[::1]")).toEqual(["::1"])
    expect(await faultOf(outgoing.addressesOf("a/b"))).toBe("refused-url")
    expect(await faultOf(outgoing.addressesOf("nowhere.invalid"))).toBe("dns")
    const guarded = newOutgoing({ allowPrivate: false, resolve: async () => ["1.1.1.1", "2606:4700::1"] })
    expect(await guarded.addressesOf("backend.example.com")).toEqual(["1.1.1.1", "2606:4700::1"])
  })
})

test("IPv6 addresses are connected to", async () => {
  const server = newServer(ok, { tls: certificate, hostname: "::1" })
  const outgoing = newOutgoing({ ca: certificate.cert, resolve: async () => ["::1"] })
  expect((await outgoing.send(requestTo(`https://localhost:${server.port}/`))).status).toBe(200)
  expect(await faultOf(outgoing.send(requestTo(`https://[::1]:${server.port}/`)))).toBe("tls")
})

test("close ends what is under way and what is kept, and nothing is sent from then on", async () => {
  const server = newServer((socket, { index, requestCount }) => {
    if (index === 0 && requestCount === 1) socket.write(answerOk())
  })
  const outgoing = newOutgoing()
  const url = `http://127.0.0.1:${server.port}/`
  await outgoing.send(requestTo(url))
  const sent = [errorOf(outgoing.send(requestTo(url))), errorOf(outgoing.send(requestTo(url)))]
  await until(() => requestsAt(server) === 3)
  await outgoing.close()
  // The first was on a kept connection, but is not sent again: it was not the server that ended it.
  expect((await Promise.all(sent)).map(({ fault }) => fault)).toEqual(["reset", "reset"])
  await until(() => server.connections.every(({ isOver }) => isOver))
  expect(await faultOf(outgoing.send(requestTo(url)))).toBe("connect")
  expect(server.connections).toHaveLength(2)
})
