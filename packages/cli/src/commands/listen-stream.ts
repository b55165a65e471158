// What a listener does with the server and with its receiver: reads the lines of the open answer, hands deliveries on as
// an HTTP request, and brings back what came of them.

import { type InputOf, webhooks } from "@weir/protocol"
import { type AdminServer, refusalText } from "../admin.ts"
import { CommandError } from "../command.ts"
import { cliLimits } from "../limits.ts"

type ListenLine = webhooks.ListenLine
export type ReadyLine = Extract<ListenLine, { type: "ready" }>
export type DeliveryLine = Extract<ListenLine, { type: "delivery" }>
/** What AnswerDelivery is told of a delivery, beside which one it was. */
export type ReceiverAnswer = Pick<
  InputOf<typeof webhooks.answerDelivery>["body"],
  "status" | "headers" | "body" | "error"
>

/** The connection is gone or was not let in, and another attempt may succeed. The message is one line. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost"
}

/** The server refuses what a listener that ended was known by; without it, it may listen. */
export class ResumeRefused extends Error {
  override readonly name = "ResumeRefused"
}

/**
 * Opens the stream and gives its lines until it ends. Throws ConnectionLost, ResumeRefused, and CommandError for a
 * refusal that stays one. Ends without a word when `stop` aborts.
 */
export async function* listenLines(
  { headers, urlOf }: AdminServer,
  app: number,
  query: URLSearchParams,
  stop: AbortSignal,
): AsyncGenerator<ListenLine, void, undefined> {
  const connection = new AbortController()
  const signal = AbortSignal.any([stop, connection.signal])
  const tooLate = setTimeout(() => connection.abort(), cliLimits.requestTimeoutMs)
  try {
    const target = urlOf(`/apps/${app}/hooks/listen?${query}`)
    const response = await fetch(target, { headers, signal, redirect: "error" })
    clearTimeout(tooLate)
    if (response.status !== 200 || response.body === null) await refuse(response, query.has("resume"))
    else yield* linesOf(response.body)
  } catch (error) {
    if (stop.aborted) return
    if (error instanceof CommandError || error instanceof ResumeRefused || error instanceof ConnectionLost) throw error
    throw new ConnectionLost(connection.signal.aborted ? "no answer in time" : (error as Error).message)
  } finally {
    clearTimeout(tooLate)
    connection.abort()
  }
}

async function refuse(response: Response, isResumed: boolean): Promise<never> {
  // biome-ignore lint/suspicious/noExplicitAny: an error envelope, or what a proxy says
  const answer: any = await response.json().catch(() => null)
  const text = refusalText(response.status, answer)
  if (response.status === 429 || response.status >= 500) throw new ConnectionLost(text)
  if (isResumed && answer?.exception_fields?.resume !== undefined) throw new ResumeRefused(text)
  throw new CommandError(text)
}

/** The lines of a stream that says something all the time. Throws ConnectionLost when it does not. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<ListenLine, void, undefined> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let pieces: string[] = []
  let chars = 0
  for (;;) {
    const { done, value } = await notSilent(reader.read())
    if (done) return
    const text = decoder.decode(value, { stream: true })
    const end = text.lastIndexOf("\n")
    if (end < 0) pieces.push(text)
    else {
      const lines = (pieces.join("") + text.slice(0, end)).split("\n")
      pieces = [text.slice(end + 1)]
      chars = 0
      for (const line of lines) if (line !== "") yield lineOf(line)
    }
    chars += text.length - (end + 1)
    if (chars > cliLimits.streamLineCharsMax) throw new ConnectionLost("a line never ends")
  }
}

async function notSilent<T>(reading: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConnectionLost("the server fell silent")), cliLimits.streamSilenceMsMax)
  })
  try {
    return await Promise.race([reading, silence])
  } finally {
    clearTimeout(timer)
  }
}

function lineOf(text: string): ListenLine {
  try {
    return JSON.parse(text) as ListenLine
  } catch {
    throw new ConnectionLost("what came is no stream of deliveries")
  }
}

/**
 * Sends a delivery to the local receiver with exactly its headers and body. Never rejects: without an answer, `status`
 * is null and `error` says why.
 */
export async function forwardDelivery(
  target: URL,
  { headers, body }: DeliveryLine,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<ReceiverAnswer> {
  const late = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(target, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
      signal: AbortSignal.any([stop, late]),
    })
    const text = await textOf(response)
    if (response.status < 100 || response.status > 599) return noAnswer(`the status ${response.status} is none`)
    return { status: response.status, headers: headersOf(response), body: text }
  } catch (error) {
    return noAnswer(late.aborted ? `no answer within ${timeoutMs} ms` : (error as Error).message)
  }
}

const noAnswer = (error: string): ReceiverAnswer => ({
  status: null,
  error: error.slice(0, webhooks.listenLimits.errorCharsMax),
})

/** As many headers, and as much of each, as the server takes. */
function headersOf({ headers }: Response): Record<string, string> {
  const { headersMax, headerNameCharsMax, headerCharsMax } = webhooks.listenLimits
  const kept = [...headers].filter(([name]) => name.length <= headerNameCharsMax).slice(0, headersMax)
  return Object.fromEntries(kept.map(([name, value]) => [name, storable(value.slice(0, headerCharsMax))]))
}

/** The beginning of an answer's body, which need not be text. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes >= cliLimits.forwardAnswerBytesMax) break
  }
  const text = Buffer.concat(chunks).subarray(0, cliLimits.forwardAnswerBytesMax).toString("utf8")
  return storable(text.slice(0, webhooks.listenLimits.bodyCharsMax))
}

/** As the server takes a text: without U+0000 and halves of surrogate pairs. */
const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")
