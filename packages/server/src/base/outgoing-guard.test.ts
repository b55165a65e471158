import { describe, expect, test } from "bun:test"
import { errorOf, faultOf, outgoingFixtures, requestTo } from "../../test/outgoing-requests.ts"
import { ok, requestsAt } from "../../test/raw-server.ts"
import { selfSigned } from "../../test/self-signed.ts"

const certificate = selfSigned("localhost")
const { closedAfterwards, newOutgoing, newServer } = outgoingFixtures()

/** The status or the fault that a request ends with in a process of its own; `env` is added to the environment. */
async function sentInProcess(url: string, env: Record<string, string>): Promise<string> {
  const script = `
    import { createOutgoing } from ${JSON.stringify(import.meta.resolve("./outgoing.ts"))}
    const sent = createOutgoing({ allowPrivate: true }).send(${JSON.stringify(requestTo(url))})
    console.log(await sent.then(({ status }) => status, ({ fault }) => fault))`
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "inherit",
  })
  return (await new Response(child.stdout).text()).trim()
}

describe("case 62: only public addresses", () => {
  test.each([
    "http://backend.example.com/",
    "ftp://backend.example.com/",
    "https://user:pass@backend.example.com/",
    "https://backend.example.com/#x",
    "https://backend.example.com:0/",
    "nonsense",
    `https://backend.example.com/${"a".repeat(3_000)}`,
  ])("case 62: %s is refused without a look-up", async (url) => {
    let lookUps = 0
    const resolve = async (): Promise<readonly string[]> => {
      lookUps += 1
      return ["127.0.0.1"]
    }
    const outgoing = newOutgoing({ allowPrivate: false, resolve })
    expect(await faultOf(outgoing.send(requestTo(url)))).toBe("refused-url")
    expect(outgoing.objection(url)).toMatch(/^(?:is|has) /)
    expect(lookUps).toBe(0)
  })

  test("case 62: private addresses are refused in every spelling, and nothing is connected to", async () => {
    const server = newServer(ok, { tls: certificate })
    const outgoing = newOutgoing({ allowPrivate: false, ca: certificate.cert })
    for (const host of ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.1", "[::ffff:7f00:1]", "localhost", "0"]) {
      const url = `https://${host}:${server.port}/`
      expect([host, await faultOf(outgoing.send(requestTo(url)))]).toEqual([host, "refused-address"])
      expect(outgoing.objection(url)).toMatch(/^names /)
      expect([host, await faultOf(outgoing.addressesOf(host))]).toEqual([host, "refused-address"])
    }
    await Bun.sleep(20)
    expect(server.connections).toEqual([])
    expect(outgoing.objection("https://backend.example.com/hook")).toBeNull()
  })

  test.each([
    [["127.0.0.1"]],
    [["1.1.1.1", "127.0.0.1"]],
    [["127.0.0.1", "1.1.1.1"]],
    [["2606:4700::1", "::1"]],
    [["::ffff:127.0.0.1"]],
    [["1.1.1.1", "169.254.169.254"]],
    [["fe80::1%lo"]],
    [["1.1.1.1", "no address"]],
  ])("case 62: a name with the addresses %j is refused, and nothing is connected to", async (addresses) => {
    const server = newServer(ok, { tls: certificate })
    const outgoing = newOutgoing({ allowPrivate: false, ca: certificate.cert, resolve: async () => addresses })
    expect(await faultOf(outgoing.send(requestTo(`https://a.example.com:${server.port}/`)))).toBe("refused-address")
    expect(await faultOf(outgoing.addressesOf("a.example.com"))).toBe("refused-address")
    expect(server.connections).toEqual([])
  })

  test("case 62: the address that was checked is the one connected to, without a second look-up", async () => {
    const first = newServer(ok)
    const answers = [["127.0.0.1"], ["127.0.0.2"]]
    let lookUps = 0
    const resolve = async (): Promise<readonly string[]> => answers[lookUps++] ?? []
    const outgoing = newOutgoing({ resolve })
    const url = `http://rebinding.example.com:${first.port}/`
    for (let n = 0; n < 3; n++) expect((await outgoing.send(requestTo(url))).status).toBe(200)
    expect([lookUps, first.connections.length]).toEqual([1, 1])
  })

  // The address is of a part of IPv6 that nobody was given, so that nobody is called; what counts is who is not.
  test("case 62: a name that is public when it is checked and private from then on", async () => {
    const server = newServer(ok, { tls: certificate })
    let lookUps = 0
    const resolve = async (): Promise<readonly string[]> => (lookUps++ === 0 ? ["2d00::1"] : ["127.0.0.1"])
    const outgoing = newOutgoing({ allowPrivate: false, resolve, ca: certificate.cert })
    const url = `https://rebinding.example.com:${server.port}/`
    expect(["connect", "timeout"]).toContain(await faultOf(outgoing.send(requestTo(url, { timeoutMs: 150 }))))
    expect(lookUps).toBe(1)
    expect(await faultOf(outgoing.send(requestTo(url)))).toBe("refused-address")
    expect([lookUps, server.connections.length]).toEqual([2, 0])
  })

  test.each([301, 302, 303, 307, 308])("case 62: a redirect (%d) is an answer and is not followed", async (status) => {
    const inner = newServer(ok)
    const location = `http://127.0.0.1:${inner.port}/metadata`
    const server = newServer((socket) =>
      socket.write(`HTTP/1.1 ${status} x\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`),
    )
    const response = await newOutgoing().send(requestTo(`http://127.0.0.1:${server.port}/`))
    expect(response).toMatchObject({ status, headers: { location } })
    await Bun.sleep(10)
    expect(inner.connections).toEqual([])
  })

  test("case 62: metadata services are refused with private addresses allowed too", async () => {
    const outgoing = newOutgoing({ allowPrivate: true, resolve: async () => ["169.254.169.254"] })
    for (const host of ["169.254.169.254", "[fd00:ec2::254]", "2852039166", "metadata.example.com"]) {
      expect(await faultOf(outgoing.send(requestTo(`http://${host}/latest`)))).toBe("refused-address")
    }
  })

  test("case 62: no proxy of the environment is asked", async () => {
    const proxy = newServer(ok)
    const server = newServer(ok)
    const url = `http://127.0.0.1:${proxy.port}`
    const env = { HTTP_PROXY: url, http_proxy: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: "" }
    expect(await sentInProcess(`http://127.0.0.1:${server.port}/`, env)).toBe("200")
    expect([server.connections.length, proxy.connections.length]).toEqual([1, 0])
  })
})

describe("TLS", () => {
  test("case 62: the certificate must be the host's and somebody's who is trusted", async () => {
    const server = newServer(ok, { tls: certificate })
    const other = selfSigned("localhost")
    const resolve = async (): Promise<readonly string[]> => ["127.0.0.1"]
    const trusting = newOutgoing({ ca: certificate.cert, resolve })
    const url = (host: string) => `https://${host}:${server.port}/`
    expect((await trusting.send(requestTo(url("localhost")))).status).toBe(200)
    expect((await trusting.send(requestTo(url("127.0.0.1")))).status).toBe(200)
    expect(await faultOf(trusting.send(requestTo(url("backend.example.com"))))).toBe("tls")
    expect(await faultOf(trusting.send(requestTo(url("127.0.0.2"))))).not.toBe("protocol")
    expect(await faultOf(newOutgoing({ ca: other.cert }).send(requestTo(url("localhost"))))).toBe("tls")
    const error = await errorOf(newOutgoing().send(requestTo(url("localhost"))))
    expect([error.fault, error.message]).toEqual(["tls", "the TLS handshake failed (DEPTH_ZERO_SELF_SIGNED_CERT)"])
    // Nothing of a request is sent to a server that has not proved who it is.
    expect(requestsAt(server)).toBe(2)
  })

  // Whoever has a certificate for one name can have any common name in it (RFC 6125 §6.4.4).
  test("case 62: the common name of a certificate counts for nothing beside its alternative names", async () => {
    const named = selfSigned("backend.example.com")
    const server = newServer(ok, { tls: named })
    const outgoing = newOutgoing({ ca: named.cert, resolve: async () => ["127.0.0.1"] })
    expect((await outgoing.send(requestTo(`https://localhost:${server.port}/`))).status).toBe(200)
    expect(await faultOf(outgoing.send(requestTo(`https://backend.example.com:${server.port}/`)))).toBe("tls")
    expect(requestsAt(server)).toBe(1)
  })

  test("case 62: an expired certificate, a server without TLS", async () => {
    const expired = selfSigned("localhost", -0.5)
    const server = newServer(ok, { tls: expired })
    const cutting = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: (socket) => void socket.end() } })
    closedAfterwards({ close: () => cutting.stop(true) })
    const answering = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n") },
    })
    closedAfterwards({ close: () => answering.stop(true) })
    const outgoing = newOutgoing({ ca: expired.cert })
    for (const { port } of [server, cutting, answering]) {
      expect(await faultOf(outgoing.send(requestTo(`https://localhost:${port}/`)))).toBe("tls")
    }
    const error = await errorOf(outgoing.send(requestTo(`https://localhost:${server.port}/`)))
    expect(error.message).toBe("the TLS handshake failed (CERT_HAS_EXPIRED)")
    expect(requestsAt(server)).toBe(0)
  })

  test("case 62: the environment does not switch the check off", async () => {
    const server = newServer(ok, { tls: certificate })
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: "0" }
    expect(await sentInProcess(`https://localhost:${server.port}/`, env)).toBe("tls")
    expect(requestsAt(server)).toBe(0)
  })

  test("a `ca` that is none is a fault of each request", async () => {
    const server = newServer(ok, { tls: certificate })
    const outgoing = newOutgoing({ ca: "no certificate" })
    const { fault } = await errorOf(outgoing.send(requestTo(`https://localhost:${server.port}/`)))
    expect(["tls", "connect"]).toContain(fault)
  })
})
