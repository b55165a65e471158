// What the tests of the senders share: a delivery, a receiver by HTTP, the other side of AWS Signature Version 4, servers
// that say what they like, and a NATS server of the test's own.

import { afterAll, afterEach, beforeEach } from "bun:test"
import { createHash, createHmac } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createOutgoing, type Outgoing } from "../src/base/outgoing.ts"
import type { BrokerSenderOptions } from "../src/events/webhooks/broker.ts"
import type { AwsCredentials, Hook, HookDelivery, HookSender, HookTarget } from "../src/events/webhooks/hook.ts"

/** A time to sign, in milliseconds since 1970. */
export const nowMs = 1_800_000_000_000
export const awsKeys: AwsCredentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
export const apiSecret = "testsecret0testsecret1testsecret2"
export const hookSecret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`
export const webhookId = "msg_zik0zj-018f6a5e-0000-7000-8000-000000000001"

/** A delivery to `target` with both kinds of signatures. */
export function deliveryTo(
  target: HookTarget,
  parts: Partial<HookDelivery> = {},
  hook: Partial<Hook> = {},
): HookDelivery {
  return {
    appId: 1,
    hook: {
      id: "018f6a5e-0000-7000-8000-000000000001",
      appId: 1,
      enabled: true,
      product: "all",
      eventTypes: [],
      sendsCustomEvents: true,
      target,
      timeoutMs: 2_000,
      compression: "none",
      ordered: false,
      ...hook,
    },
    signer: {
      api: { apiKey: "a1b2c3d4e5f6", secret: apiSecret },
      own: [{ id: "s1", alg: "hmac", secret: hookSecret }],
    },
    webhookId,
    attempt: 1,
    type: "message.new",
    stream: "channel:messaging:general",
    body: JSON.stringify({ type: "message.new", text: "Grüße & <b>😀</b>\n\u0001+ %20" }),
    ...parts,
  }
}

/** The documented signature, computed on its own. */
export const hexHmac = (body: string): string => createHmac("sha256", apiSecret).update(body).digest("hex")

export interface SignedRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: string
  /** The body where it need not be text. */
  readonly bytes: Uint8Array
}

/**
 * What is wrong with a request's signature for this secret and service, null when nothing is: the recipe of the AWS
 * documentation («Create a signed AWS API request»), from the side of the service.
 */
export function signatureFault(
  request: Omit<SignedRequest, "bytes">,
  secret: string,
  service: string,
  region: string,
): string | null {
  const { headers } = request
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
  const parts = form.exec(headers.get("authorization") ?? "")
  if (parts === null) return "no authorization of the form"
  const [, , day = "", atRegion = "", atService = "", names = "", signature] = parts
  const time = headers.get("x-amz-date") ?? ""
  if (!/^\d{8}T\d{6}Z$/.test(time) || !time.startsWith(day)) return "no time, or another day"
  if (atRegion !== region || atService !== service) return `signed for ${atRegion} and ${atService}`
  const signed = names.split(";")
  const mustBeSigned = ["host", ...[...headers.keys()].filter((name) => /^(content-type|x-amz-.*)$/.test(name))]
  const unsigned = mustBeSigned.filter((name) => !signed.includes(name))
  if (unsigned.length > 0) return `not signed: ${unsigned}`
  const { pathname, search } = new URL(request.url)
  if (search !== "") return "a query, which this check does not know"
  const canonical = [
    request.method,
    pathname
      .split("/")
      .map((part) => encodeURIComponent(part))
      .join("/"),
    "",
    ...signed.map((name) => `${name}:${(headers.get(name) ?? "").trim().replace(/ +/g, " ")}`),
    "",
    names,
    createHash("sha256").update(request.body).digest("hex"),
  ].join("\n")
  const scope = `${day}/${region}/${service}/aws4_request`
  const hash = createHash("sha256").update(canonical).digest("hex")
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), "aws4_request")
  const expected = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash}`).toString("hex")
  return expected === signature ? null : "another signature"
}

/** An HTTP server that keeps what it was sent and answers as told. */
export interface FakeService {
  readonly url: string
  readonly port: number
  readonly requests: SignedRequest[]
  answer: (request: SignedRequest) => Response | Promise<Response>
  close(): Promise<void>
}

export function startFakeService(): FakeService {
  const requests: SignedRequest[] = []
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(incoming) {
      const { method, url, headers } = incoming
      const bytes = new Uint8Array(await incoming.arrayBuffer())
      const request = { method, url, headers, body: new TextDecoder().decode(bytes), bytes }
      requests.push(request)
      return fake.answer(request)
    },
  })
  const port = server.port as number
  const fake: FakeService = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    answer: () => new Response(null, { status: 500 }),
    close: async () => server.stop(true),
  }
  return fake
}

/** For the tests of a file: a receiver that has forgotten before each of them, and the way to it. */
export function fakeServiceForTests(): { readonly fake: FakeService; readonly outgoing: Outgoing } {
  const fake = startFakeService()
  const outgoing = createOutgoing({ allowPrivate: true })
  beforeEach(() => {
    fake.requests.length = 0
  })
  afterAll(async () => {
    await outgoing.close()
    await fake.close()
  })
  return { fake, outgoing }
}

/** Whether a NATS server can be started here: the program `nats-server` is on the path or where Debian puts it. */
export const natsProgram: string | null =
  Bun.which("nats-server") ?? Bun.which("nats-server", { PATH: "/usr/sbin:/usr/local/sbin" })

export interface OwnNatsServer {
  readonly port: number
  kill(): Promise<void>
  start(): Promise<void>
  freeze(): void
  thaw(): void
  /** Asks it to go: it tells its clients so, and ends them a while later. */
  retire(): void
  /** Ends it and takes away what it has stored. */
  close(): Promise<void>
}

/** Starts a NATS server with JetStream on a free port of the loopback. `settings` are lines of its configuration. */
export async function startNatsServer(
  settings = "",
  files: Readonly<Record<string, string>> = {},
): Promise<OwnNatsServer> {
  if (natsProgram === null) throw new Error("nats-server is not installed")
  const program = natsProgram
  const folder = mkdtempSync(join(tmpdir(), "weir-nats-"))
  const port = await freePort()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const config = join(folder, "nats.conf")
  const own = settings.replaceAll("FOLDER", folder)
  writeFileSync(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}" }\n${own}\n`)
  let child: Bun.Subprocess | null = null
  const start = async (): Promise<void> => {
    child = Bun.spawn([program, "-c", config], { stdout: "ignore", stderr: "ignore" })
    for (const endMs = performance.now() + 10_000; ; ) {
      if (await speaks(port)) return
      if (performance.now() > endMs || child.exitCode !== null) throw new Error("nats-server did not start")
      await Bun.sleep(20)
    }
  }
  const kill = async (): Promise<void> => {
    child?.kill("SIGKILL")
    await child?.exited
  }
  const close = async (): Promise<void> => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  }
  await start().catch(async (error) => {
    await close()
    throw error
  })
  return {
    port,
    start,
    kill,
    close,
    freeze: () => child?.kill("SIGSTOP"),
    thaw: () => child?.kill("SIGCONT"),
    retire: () => child?.kill("SIGUSR2"),
  }
}

/** A TCP server that says what it likes. */
export interface RawServer {
  readonly port: number
  readonly connectionCount: number
  close(): void
}

/** `greet` runs with each connection, `hear` with what it says. */
export function startRawServer(
  hear: (socket: Bun.Socket<undefined>, text: string) => void,
  greet: (socket: Bun.Socket<undefined>) => void = () => {},
): RawServer {
  let connectionCount = 0
  const server = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        connectionCount += 1
        greet(socket)
      },
      data: (socket, bytes) => hear(socket, bytes.toString("latin1")),
      error() {},
    },
  })
  return {
    port: server.port,
    get connectionCount() {
      return connectionCount
    },
    close: () => server.stop(true),
  }
}

export interface BrokerTests {
  readonly outgoing: Outgoing
  /** Closes it after the test. */
  closes<T extends { close(): unknown }>(one: T): T
  newSender(options?: Partial<BrokerSenderOptions>): HookSender
  rawServer(...parts: Parameters<typeof startRawServer>): RawServer
}

/** For the tests of a file: senders to message servers, and what else ends with the test. */
export function brokerTests(create: (options: BrokerSenderOptions) => HookSender): BrokerTests {
  const outgoing = createOutgoing({ allowPrivate: true })
  const opened: { close(): unknown }[] = []
  const closes = <T extends { close(): unknown }>(one: T): T => {
    opened.push(one)
    return one
  }
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close()
  })
  afterAll(() => outgoing.close())
  return {
    outgoing,
    closes,
    newSender: (options = {}) => closes(create({ outgoing, ...options })),
    rawServer: (...parts) => closes(startRawServer(...parts)),
  }
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
}

/** Whether a NATS server greets on this port. */
function speaks(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    const end = (does: boolean): void => {
      socket.destroy()
      resolve(does)
    }
    socket.on("data", (bytes) => end(bytes.toString("latin1").startsWith("INFO ")))
    socket.on("error", () => end(false))
    socket.on("close", () => end(false))
  })
}
