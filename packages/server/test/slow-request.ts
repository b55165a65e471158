// A request whose sender takes their time: the head and the first byte of the body are there, the rest comes when the
// test says so.

import { connect } from "node:net"
import { until } from "./node-process.ts"

export interface SlowRequest {
  /** Sends the rest; the status of the answer. Throws when there was an answer before. */
  finish(): Promise<number>
}

/** Sends all but the rest of the body, and waits until the server has had time to read it. */
export async function beginRequest(
  url: string,
  method: string,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>>,
  waitMs = 150,
): Promise<SlowRequest> {
  const { host, hostname, port } = new URL(url)
  const text = Buffer.from(JSON.stringify(body))
  const socket = connect(Number(port), hostname)
  let answer = ""
  socket.on("data", (data) => {
    answer += data.toString("latin1")
  })
  socket.on("error", () => {})
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${text.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.write(`${head.join("\r\n")}\r\n\r\n`)
  socket.write(text.subarray(0, 1))
  await Bun.sleep(waitMs)
  return {
    async finish() {
      if (answer !== "") throw new Error(`answered before the body was whole: ${answer.slice(0, 200)}`)
      socket.write(text.subarray(1))
      await until("the answer is there", () => /^HTTP\/1\.1 \d{3} /.test(answer))
      socket.destroy()
      return Number(answer.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length))
    },
  }
}
