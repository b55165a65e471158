// A backend whose users get their Weir tokens after they signed in, on plain node:http. With Express, the endpoint is
// one line: app.post("/token", expressTokenEndpoint({ …, authenticate: (request) => request.session?.userId })).
// Run it while `npm start` runs: API_KEY=… API_SECRET=… PASSWORD=… node examples/token-endpoint/backend.mjs

import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { createServer } from "node:http"
import { createWeirServer, expressTokenEndpoint } from "@weir/sdk-server"

const { API_KEY: apiKey, API_SECRET: apiSecret, PASSWORD: password, PORT = "3000" } = process.env
if (!apiKey || !apiSecret) throw new Error("set API_KEY and API_SECRET to what `npm start` printed")
if (!password) throw new Error("set PASSWORD to what the example's two users sign in with")

const users = ["jessica", "john"]
const weir = createWeirServer({ apiKey, apiSecret })
await weir.users.upsert(users.map((id) => ({ id })))

// Your own sessions: this is the part that your backend has already.
const sessions = new Map()
const sessionsMax = 1_000
const userOf = (request) => sessions.get(/(?:^|; )session=([0-9a-f]{64})/.exec(request.headers.cookie ?? "")?.[1])

const token = expressTokenEndpoint({
  apiKey,
  apiSecret,
  // The session decides. What the request says in its query or body is never looked at.
  authenticate: (request) => userOf(request) ?? null,
  expiresIn: "15m",
})

async function signIn(request, response) {
  const { user, password: given } = await fieldsOf(request)
  if (!users.includes(user) || !isSame(given ?? "", password)) return answer(response, 401)
  if (sessions.size >= sessionsMax) sessions.delete(sessions.keys().next().value)
  const id = randomBytes(32).toString("hex")
  sessions.set(id, user)
  response.setHeader("Set-Cookie", `session=${id}; HttpOnly; SameSite=Lax; Path=/`)
  answer(response, 204)
}

async function fieldsOf(request) {
  let text = ""
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk
    if (text.length > 1_000) break
  }
  return Object.fromEntries(new URLSearchParams(text))
}

const sha256 = (text) => createHash("sha256").update(text).digest()
const isSame = (a, b) => timingSafeEqual(sha256(a), sha256(b))
const answer = (response, status) => response.writeHead(status).end()

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost")
  if (pathname === "/token") return token(request, response)
  if (pathname === "/sign-in" && request.method === "POST") return signIn(request, response)
  answer(response, 404)
})
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`))
