import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "node:tls"
import { selfSigned } from "../../test/self-signed.ts"
import { type Listener, listen } from "./listen.ts"
import { readTlsPair, TlsFilesError, type TlsPair, type TlsWatch, watchTlsFiles } from "./tls.ts"

const pollMs = 20
/** Two looks that agree, and a reserve for a busy machine. */
const settledMs = 200

let folder: string
let certPath: string
let keyPath: string
const closers: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-tls-"))
  certPath = join(folder, "cert.pem")
  keyPath = join(folder, "key.pem")
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  rmSync(folder, { recursive: true, force: true })
})

function write(pair: { cert: string; key: string }): TlsPair {
  writeFileSync(certPath, pair.cert)
  writeFileSync(keyPath, pair.key)
  return readTlsPair(certPath, keyPath)
}

describe("readTlsPair", () => {
  test("reads a pair, its names and its end", () => {
    const pair = write(selfSigned("one.test", 30))
    expect(pair.names).toContain("DNS:localhost")
    expect(Math.round((pair.expiresAt - Date.now()) / 86_400_000)).toBe(30)
  })

  test("reads a chain and takes the first certificate as the server's", () => {
    const own = selfSigned("own.test")
    writeFileSync(certPath, own.cert + selfSigned("issuer.test").cert)
    writeFileSync(keyPath, own.key)
    expect(readTlsPair(certPath, keyPath).cert).toContain(own.cert)
    writeFileSync(certPath, selfSigned("issuer.test").cert + own.cert)
    expect(() => readTlsPair(certPath, keyPath)).toThrow(/does not belong to the key/)
  })

  test.each([
    [
      "a key of another certificate",
      () => selfSigned("a").cert,
      () => selfSigned("b").key,
      /does not belong to the key/,
    ],
    ["no certificate", () => "hello", () => selfSigned("b").key, /cert.pem holds no PEM certificate/],
    ["a damaged certificate", () => selfSigned("a").cert.replace("MII", "AAA"), () => "", /cert.pem holds a damaged/],
    ["no key", () => selfSigned("a").cert, () => "hello", /key.pem holds no PEM private key/],
    ["a huge file", () => "x".repeat(300_000), () => "", /cert.pem cannot be read: larger/],
    ["an endless chain", () => selfSigned("a").cert.repeat(17), () => "", /more than 16 certificates/],
  ])("refuses %s", (_, cert, key, message) => {
    writeFileSync(certPath, cert())
    writeFileSync(keyPath, key())
    const read = () => readTlsPair(certPath, keyPath)
    expect(read).toThrow(TlsFilesError)
    expect(read).toThrow(message)
  })

  test("refuses files that are not there, by name", () => {
    expect(() => readTlsPair(certPath, keyPath)).toThrow(certPath)
  })
})

describe("watchTlsFiles", () => {
  function watch(current: TlsPair): { pairs: TlsPair[]; faults: string[]; watch: TlsWatch } {
    const pairs: TlsPair[] = []
    const faults: string[] = []
    const onChange = (pair: TlsPair) => pairs.push(pair)
    const watched = watchTlsFiles(certPath, keyPath, current, { onChange, onFault: (m) => faults.push(m), pollMs })
    closers.push(() => watched.close())
    return { pairs, faults, watch: watched }
  }

  test("hands over a new pair once, and nothing while nothing changes", async () => {
    const { pairs, faults } = watch(write(selfSigned("one.test")))
    await Bun.sleep(settledMs)
    expect(pairs).toEqual([])
    const second = write(selfSigned("two.test"))
    await Bun.sleep(settledMs)
    expect(pairs).toEqual([second])
    expect(faults).toEqual([])
  })

  test("keeps the old pair and says so once when the new one does not match; the repair is taken", async () => {
    const { pairs, faults } = watch(write(selfSigned("one.test")))
    const next = selfSigned("two.test")
    writeFileSync(certPath, next.cert)
    await Bun.sleep(settledMs * 2)
    expect(pairs).toEqual([])
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain("does not belong to the key")
    writeFileSync(keyPath, next.key)
    await Bun.sleep(settledMs)
    expect(pairs.map((pair) => pair.cert)).toEqual([next.cert])
    expect(faults).toHaveLength(1)
  })

  test("a file that is gone for a while is a fault, not an end", async () => {
    const { pairs, faults } = watch(write(selfSigned("one.test")))
    rmSync(certPath)
    await Bun.sleep(settledMs)
    expect(faults).toHaveLength(1)
    const second = write(selfSigned("two.test"))
    await Bun.sleep(settledMs)
    expect(pairs).toEqual([second])
  })

  // Kubernetes replaces the folder behind a link, and the files themselves never change.
  test("sees a change behind a symbolic link", async () => {
    const versions = ["v1", "v2"].map((version) => {
      mkdirSync(join(folder, version))
      const pair = selfSigned(`${version}.test`)
      writeFileSync(join(folder, version, "cert.pem"), pair.cert)
      writeFileSync(join(folder, version, "key.pem"), pair.key)
      return pair
    })
    symlinkSync("v1", join(folder, "current"))
    certPath = join(folder, "current", "cert.pem")
    keyPath = join(folder, "current", "key.pem")
    const { pairs } = watch(readTlsPair(certPath, keyPath))
    symlinkSync("v2", join(folder, "next"))
    renameSync(join(folder, "next"), join(folder, "current"))
    await Bun.sleep(settledMs)
    expect(pairs.map((pair) => pair.cert)).toEqual([versions[1]?.cert as string])
  })

  test("after close nothing is handed over", async () => {
    const { pairs, watch: watched } = watch(write(selfSigned("one.test")))
    watched.close()
    write(selfSigned("two.test"))
    await Bun.sleep(settledMs)
    expect(pairs).toEqual([])
  })
})

describe("listen", () => {
  const open = (tls: TlsPair | null, port = 0): Listener => {
    const listener = listen<undefined>({
      hostname: "127.0.0.1",
      port,
      tls,
      idleTimeoutSeconds: 75,
      bodyBytesMax: 1024,
      async fetch(request, server) {
        if (server.upgrade(request)) return undefined
        if (request.url.endsWith("/broken")) throw new Error("broken")
        if (request.url.endsWith("/slow")) await Bun.sleep(300)
        return new Response("hello")
      },
      error: (error) => new Response(`it is ${error.message}`, { status: 500 }),
      websocket: { open: (socket) => void socket.subscribe("news"), message: (socket, text) => void socket.send(text) },
    })
    closers.push(() => listener.stop(true))
    return listener
  }

  const commonName = (port: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.destroy()
      })
      socket.on("error", reject)
    })

  async function openSocket(port: number): Promise<{ socket: WebSocket; frames: string[]; closes: number[] }> {
    // Bun's second argument; the type that wins here is the browser's.
    const socket = new WebSocket(`wss://127.0.0.1:${port}`, { tls: { rejectUnauthorized: false } } as never)
    const frames: string[] = []
    const closes: number[] = []
    socket.onmessage = (event) => frames.push(String(event.data))
    socket.onclose = (event) => closes.push(event.code)
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = reject
    })
    closers.push(() => socket.close())
    return { socket, frames, closes }
  }

  // The whole promise of WEIR_TLS_CERT: renewing a certificate disconnects nobody who is connected.
  test("new connections see a changed certificate while sockets and requests of before go on", async () => {
    const first = write(selfSigned("first.test"))
    const listener = open(first)
    const watched = watchTlsFiles(certPath, keyPath, first, {
      onChange: (pair) => listener.replaceTls(pair),
      onFault: (message) => expect.unreachable(message),
      pollMs,
    })
    closers.push(() => watched.close())
    expect(await commonName(listener.port)).toBe("first.test")
    const before = await openSocket(listener.port)
    const slow = fetch(`https://127.0.0.1:${listener.port}/slow`, { tls: { rejectUnauthorized: false } })

    write(selfSigned("second.test"))
    await Bun.sleep(settledMs)
    const names = await Promise.all(Array.from({ length: 20 }, () => commonName(listener.port)))
    expect(new Set(names)).toEqual(new Set(["second.test"]))

    const after = await openSocket(listener.port)
    before.socket.send("echo")
    expect(listener.subscriberCount("news")).toBe(2)
    expect(listener.publish("news", "to all")).toBeGreaterThan(0)
    expect(await (await slow).text()).toBe("hello")
    await Bun.sleep(50)
    expect(before.frames.toSorted()).toEqual(["echo", "to all"])
    expect(after.frames).toEqual(["to all"])
    expect([...before.closes, ...after.closes]).toEqual([])
  })

  test("stop waits for sockets of every generation", async () => {
    const listener = open(write(selfSigned("first.test")))
    const before = await openSocket(listener.port)
    listener.replaceTls(write(selfSigned("second.test")))
    const after = await openSocket(listener.port)
    let isStopped = false
    const stopped = listener.stop(false).then(() => {
      isStopped = true
    })
    after.socket.close()
    await Bun.sleep(100)
    expect(isStopped).toBe(false)
    before.socket.close()
    await stopped
    await expect(commonName(listener.port)).rejects.toThrow()
  })

  // Generations share the port on purpose; two servers must not do so by accident.
  test.each([
    ["TLS beside TLS", true, true],
    ["plain beside TLS", true, false],
    ["TLS beside plain", false, true],
    ["plain beside plain", false, false],
  ])("a taken port is refused: %s", (_, firstTls, secondTls) => {
    const pair = write(selfSigned("first.test"))
    const { port } = open(firstTls ? pair : null)
    expect(() => open(secondTls ? pair : null, port)).toThrow(expect.objectContaining({ code: "EADDRINUSE" }))
  })

  test("a plain listener answers and says that it has no certificate to change", async () => {
    const listener = open(null)
    expect(listener.url).toBe(`http://127.0.0.1:${listener.port}`)
    expect(await (await fetch(`${listener.url}/`)).text()).toBe("hello")
    expect(await (await fetch(`${listener.url}/broken`)).text()).toBe("it is broken")
    expect(() => listener.replaceTls(write(selfSigned("first.test")))).toThrow(/restart/)
  })
})
