// The chat gate that a team writes in its first week: Express 5, jsonwebtoken and ws on Node. It does the three jobs of
// the bench on the same paths as Weir, in the way those libraries' manuals show: a middleware verifies the token of each
// request, members are kept in memory, a message is appended to a file and sent to each watcher in a loop.
//
// What it leaves out is in its favour: no rate limits, no schemas, no filters, no revocation, no second node, and a
// file that is appended to without waiting for the disk, where Weir answers only after the commit is on it.
//
// BENCH_FIXTURE: JSON with the message and user whose fields its answers carry, so that they are as long as Weir's.
// BENCH_SECRET, BENCH_DATA_DIR, BENCH_MEMBERS (number of users `member-<n>`). Prints its port as one JSON line.

import { randomUUID } from "node:crypto"
import { createWriteStream } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import express from "express"
import jwt from "jsonwebtoken"
import { WebSocketServer } from "ws"

const secret = process.env.BENCH_SECRET
const journal = createWriteStream(join(process.env.BENCH_DATA_DIR, "messages.jsonl"), { flags: "a" })
const fixture = JSON.parse(process.env.BENCH_FIXTURE)
const sample = JSON.parse(fixture.resource.body).message
const me = JSON.parse(fixture.welcome).me
const frameSample = JSON.parse(fixture.frame)

const users = new Map()
for (let index = 0; index < Number(process.env.BENCH_MEMBERS); index++) {
  const id = `member-${index}`
  users.set(id, { ...sample.user, id, name: `Member ${index}` })
}
/** cid → { members, watchers } */
const channels = new Map()
const messages = new Map([[sample.id, sample]])
/** connection id → { socket, userId } */
const connections = new Map()

function channelOf(cid) {
  let channel = channels.get(cid)
  if (channel === undefined) {
    channel = { cid, members: new Set(users.keys()), watchers: new Set() }
    channels.set(cid, channel)
  }
  return channel
}
channelOf(sample.cid)

const append = (message) =>
  new Promise((resolve, reject) => {
    journal.write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()))
  })

const app = express()
app.disable("x-powered-by")
app.disable("etag")
app.use(express.json())

app.use((request, response, next) => {
  jwt.verify(request.get("authorization") ?? "", secret, { algorithms: ["HS256"] }, (error, claims) => {
    const user = error ? undefined : users.get(claims.user_id)
    if (user === undefined) {
      response.status(401).json({ message: error?.message ?? "unknown user" })
      return
    }
    request.user = user
    next()
  })
})

function requireMember(request, response, channel) {
  if (channel?.members.has(request.user.id)) return true
  response.status(404).json({ message: "not found" })
  return false
}

app.get("/api/v2/chat/messages/:id", (request, response) => {
  const message = messages.get(request.params.id)
  const channel = message === undefined ? undefined : channels.get(message.cid)
  if (requireMember(request, response, channel)) response.json({ message, duration: "0.10ms" })
})

app.post("/api/v2/chat/channels/:type/:id/query", (request, response) => {
  const channel = channelOf(`${request.params.type}:${request.params.id}`)
  if (!requireMember(request, response, channel)) return
  const connection = connections.get(request.query.connection_id)
  if (request.body.watch && connection?.userId === request.user.id) channel.watchers.add(connection.socket)
  response.status(201).json({ channel: { cid: channel.cid }, watcher_count: channel.watchers.size })
})

app.post("/api/v2/chat/channels/:type/:id/message", async (request, response) => {
  const channel = channelOf(`${request.params.type}:${request.params.id}`)
  if (!requireMember(request, response, channel)) return
  const { text } = request.body.message ?? {}
  if (typeof text !== "string" || text.length > 5000) {
    response.status(400).json({ message: "text is required" })
    return
  }
  const now = new Date().toISOString()
  const message = {
    ...sample,
    id: randomUUID(),
    cid: channel.cid,
    text,
    user: request.user,
    created_at: now,
    updated_at: now,
  }
  await append(message)
  const frame = JSON.stringify({ ...frameSample, created_at: now, cid: channel.cid, message, user: request.user })
  for (const socket of channel.watchers) socket.send(frame)
  response.status(201).json({ message, duration: "0.10ms" })
})

const server = createServer(app)
server.keepAliveTimeout = 75_000
const sockets = new WebSocketServer({ server, path: "/api/v2/connect" })

sockets.on("connection", (socket) => {
  const connectionId = randomUUID()
  const timer = setTimeout(() => socket.close(4000, "no first frame"), 5000)
  socket.on("error", () => socket.terminate())
  socket.once("message", (data) => {
    clearTimeout(timer)
    let frame
    try {
      frame = JSON.parse(data.toString())
    } catch {
      socket.close(4400, "not JSON")
      return
    }
    jwt.verify(frame.token ?? "", secret, { algorithms: ["HS256"] }, (error, claims) => {
      const user = error ? undefined : users.get(claims.user_id)
      if (user === undefined || frame.user_details?.id !== user.id) {
        socket.close(4401, "not authenticated")
        return
      }
      connections.set(connectionId, { socket, userId: user.id })
      socket.send(
        JSON.stringify({
          type: "connection.ok",
          connection_id: connectionId,
          cid: "*",
          created_at: new Date().toISOString(),
          me: { ...me, ...user },
        }),
      )
    })
  })
  socket.on("close", () => {
    clearTimeout(timer)
    connections.delete(connectionId)
    for (const channel of channels.values()) channel.watchers.delete(socket)
  })
})

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })))
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0))
