// What the page does: it signs in as it always did, and hands the chat a function that fetches a token. The client calls
// it whenever it needs one: before the first connects, before the last expires, after it was revoked.
// Run it while backend.mjs runs: API_KEY=… PASSWORD=… node examples/token-endpoint/client.mjs jessica http://127.0.0.1:3000

import { StreamChat } from "@weir/chat"

const [user, backend] = process.argv.slice(2)
const { API_KEY: apiKey, PASSWORD: password } = process.env

const signedIn = await fetch(`${backend}/sign-in`, { method: "POST", body: new URLSearchParams({ user, password }) })
// A browser keeps the cookie by itself.
const cookie = signedIn.headers.get("set-cookie")?.split(";")[0] ?? ""

async function fetchToken() {
  const response = await fetch(`${backend}/token?user_id=somebody-else`, { method: "POST", headers: { cookie } })
  if (!response.ok) throw new Error(`no token: HTTP ${response.status}`)
  return (await response.json()).token
}

const client = new StreamChat(apiKey)
try {
  await client.connectUser({ id: user }, fetchToken)
  console.log(`connected as ${client.userID}`)
} catch (error) {
  console.log(`not connected: ${error.message}`)
} finally {
  await client.disconnectUser()
}
