// Two users chat: a backend makes their tokens, each connects, and one hears what the other writes.
// Run it while `npm start` runs: API_KEY=… API_SECRET=… node examples/two-users/chat.mjs

import { StreamChat } from "@weir/chat"

const apiKey = process.env.API_KEY
const apiSecret = process.env.API_SECRET
if (!apiKey || !apiSecret) throw new Error("set API_KEY and API_SECRET to what `npm start` printed")

// On your backend: only there is the secret.
const backend = new StreamChat(apiKey, apiSecret)
const tokenOf = (userId) => backend.createToken(userId)
await backend.upsertUsers([
  { id: "jessica", name: "Jessica" },
  { id: "john", name: "John" },
])

// In the two browsers: only key and token.
const jessica = new StreamChat(apiKey)
const john = new StreamChat(apiKey)
await jessica.connectUser({ id: "jessica", name: "Jessica" }, tokenOf("jessica"))
await john.connectUser({ id: "john", name: "John" }, tokenOf("john"))

const members = ["jessica", "john"]
const hers = jessica.channel("messaging", "lunch", { members })
await hers.watch()
const his = john.channel("messaging", "lunch")
await his.watch()

const heard = new Promise((resolve) => {
  hers.on("message.new", ({ message }) => {
    console.log(`${message.user.name}: ${message.text}`)
    if (message.user.id === "john") resolve()
  })
})
await hers.sendMessage({ text: "Lunch at noon?" })
await his.sendMessage({ text: "See you there." })
await heard

// Nobody else reaches it.
const eve = new StreamChat(apiKey)
await backend.upsertUsers([{ id: "eve", name: "Eve" }])
await eve.connectUser({ id: "eve" }, tokenOf("eve"))
await eve
  .channel("messaging", "lunch")
  .watch()
  .catch((error) => console.log(`Eve: ${error.message}`))

await Promise.all([jessica.disconnectUser(), john.disconnectUser(), eve.disconnectUser()])
