import { describe, expect, test } from "bun:test"
import type { Socket } from "bun"
import { faultOf, outgoingFixtures, requestTo, textOf } from "../../test/outgoing-requests.ts"
import { answerOk, type OnRequest, ok, type RawConnection, until } from "../../test/raw-server.ts"
import { selfSigned } from "../../test/self-signed.ts"
import { limits } from "./limits.ts"

const certificate = selfSigned("localhost")
const { newOutgoing, newServer } = outgoingFixtures()

describe("kept connections", () => {
  /** A clock that is set by hand. */
  function newClock(): { monotonic: () => number; nowMs: number } {
    const clock = { nowMs: 0, monotonic: () => clock.nowMs }
    return clock
  }

  test.each([["http"], ["https"]])(
    "many requests over %s use one, and at once as many as are needed",
    async (scheme) => {
      const server = newServer(ok, scheme === "https" ? { tls: certificate } : {})
      const outgoing = newOutgoing({ ca: certificate.cert })
      const url = `${scheme}://localhost:${server.port}/`
      for (let n = 0; n < 20; n++) expect(textOf(await outgoing.send(requestTo(url)))).toBe("ok")
      expect(server.connections.map(({ requestCount }) => requestCount)).toEqual([20])
      await Promise.all(Array.from({ length: 10 }, () => outgoing.send(requestTo(url))))
      expect(server.connections).toHaveLength(10)
    },
  )

  test("case 62: one that was opened for one name is not used for another", async () => {
    const plain = newServer(ok)
    const secure = newServer(ok, { tls: certificate })
    const outgoing = newOutgoing({ ca: certificate.cert, resolve: async () => ["127.0.0.1"] })
    for (const host of ["a.example.com", "b.example.com", "127.0.0.1", "a.example.com"]) {
      await outgoing.send(requestTo(`http://${host}:${plain.port}/`))
    }
    expect(plain.connections.map(({ requestCount }) => requestCount)).toEqual([2, 1, 1])
    await outgoing.send(requestTo(`https://localhost:${secure.port}/`))
    expect(await faultOf(outgoing.send(requestTo(`https://other.example.com:${secure.port}/`)))).toBe("tls")
    expect(await faultOf(outgoing.send(requestTo(`http://localhost:${secure.port}/`)))).toBe("reset")
    expect(secure.connections[0]?.requestCount).toBe(1)
  })

  test.each([
    ["says so", (socket: Socket<RawConnection>) => void socket.end(answerOk("ok", "connection: close\r\n"))],
    ["does not say so", (socket: Socket<RawConnection>) => void socket.end(answerOk())],
    ["speaks HTTP/1.0", (socket: Socket<RawConnection>) => void socket.end("HTTP/1.0 200 OK\r\n\r\nok")],
  ])("a server that ends each connection and %s loses nothing", async (_, onRequest) => {
    const server = newServer(onRequest)
    const outgoing = newOutgoing()
    for (let n = 0; n < 10; n++) {
      expect(textOf(await outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`)))).toBe("ok")
    }
    expect(server.connections).toHaveLength(10)
  })

  // The connection ends while the request is on its way: nothing of an answer came, so it goes out once more.
  test.each([["http"], ["https"]])(
    "a request over %s that a kept connection swallows is sent again, once",
    async (scheme) => {
      const secure = scheme === "https" ? { tls: certificate } : {}
      const server = newServer((socket, { requestCount }) => {
        if (requestCount === 1) socket.write(answerOk())
        else socket.terminate()
      }, secure)
      const outgoing = newOutgoing({ ca: certificate.cert })
      const url = `${scheme}://localhost:${server.port}/`
      for (let n = 0; n < 4; n++) expect((await outgoing.send(requestTo(url))).status).toBe(200)
      expect(server.connections.map(({ requestCount }) => requestCount)).toEqual([2, 2, 2, 1])
    },
  )

  test("but not when something of the answer came, nor a third time, nor after a time-out", async () => {
    let onSecond: OnRequest = (socket) => void socket.end("HTTP/1.1 2")
    let onFirst: OnRequest = ok
    const server = newServer((socket, connection) =>
      (connection.requestCount === 1 ? onFirst : onSecond)(socket, connection),
    )
    const outgoing = newOutgoing()
    const send = (timeoutMs = 3_000) => outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`, { timeoutMs }))
    await send()
    expect(await faultOf(send())).toBe("reset")
    expect(server.connections).toHaveLength(1)

    await send()
    onSecond = (socket) => void socket.terminate()
    onFirst = onSecond
    expect(await faultOf(send())).toBe("reset")
    expect(server.connections).toHaveLength(3)

    onFirst = ok
    await send()
    onSecond = () => {}
    expect(await faultOf(send(100))).toBe("timeout")
    expect(server.connections).toHaveLength(4)
  })

  test("case 62: what a server says unasked is no answer to the next request", async () => {
    const server = newServer((socket, { index }) => {
      socket.write(answerOk("good"))
      if (index === 0) setTimeout(() => socket.write(answerOk("evil")), 20)
    })
    const glued = newServer((socket) => socket.write(`${answerOk("good")}${answerOk("evil")}`))
    // By a clock that stands still no idle time ends a connection.
    const outgoing = newOutgoing({ monotonic: () => 0 })
    for (const { port, connections } of [server, glued]) {
      expect(textOf(await outgoing.send(requestTo(`http://127.0.0.1:${port}/`)))).toBe("good")
      await until(() => connections[0]?.isOver === true)
      expect(textOf(await outgoing.send(requestTo(`http://127.0.0.1:${port}/`)))).toBe("good")
    }
  })

  test("are not used after their idle time, nor after their age, when the name is looked up again", async () => {
    const server = newServer(ok)
    const clock = newClock()
    let lookUps = 0
    const resolve = async (): Promise<readonly string[]> => {
      lookUps += 1
      return ["127.0.0.1"]
    }
    const outgoing = newOutgoing({ monotonic: clock.monotonic, resolve })
    const send = () => outgoing.send(requestTo(`http://backend.example.com:${server.port}/`))
    await send()
    clock.nowMs += limits.keptConnectionMsMax - 1
    await send()
    expect([server.connections.length, lookUps]).toEqual([1, 1])
    clock.nowMs += limits.keptConnectionMsMax
    await send()
    expect([server.connections.length, lookUps]).toEqual([2, 2])
    const ageMs = limits.connectionAgeMsMax
    for (let spentMs = 0; spentMs < ageMs; spentMs += 3_000) {
      expect(server.connections).toHaveLength(2)
      clock.nowMs += 3_000
      await send()
    }
    expect([server.connections.length, lookUps]).toEqual([3, 3])
  })

  test("are ended after their idle time without another request", async () => {
    const server = newServer(ok)
    const clock = newClock()
    const outgoing = newOutgoing({ monotonic: clock.monotonic })
    await outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`))
    clock.nowMs += limits.keptConnectionMsMax
    await until(() => server.connections[0]?.isOver === true)
  })

  test("are bounded for each origin", async () => {
    const waiting: Socket<RawConnection>[] = []
    const count = limits.keptConnectionsPerOriginMax + 5
    const server = newServer((socket) => {
      waiting.push(socket)
      if (waiting.length === count) for (const each of waiting) each.write(answerOk())
    })
    const outgoing = newOutgoing()
    await Promise.all(Array.from({ length: count }, () => outgoing.send(requestTo(`http://127.0.0.1:${server.port}/`))))
    await until(() => server.connections.filter(({ isOver }) => isOver).length === 5)
    await Bun.sleep(20)
    expect(server.connections.filter(({ isOver }) => !isOver)).toHaveLength(limits.keptConnectionsPerOriginMax)
  })
})
