// The other end of the bus's round trip: a process that says back over Redis what it hears. `bun bus-echo.ts <url>
// <channel>`; what comes on `<channel>:there` goes out on `<channel>:back`. Says {"ready":1} once it listens.

import { RedisClient } from "bun"

const [url, channel] = process.argv.slice(2)
if (url === undefined || channel === undefined) {
  console.error("bun bus-echo.ts <url> <channel>")
  process.exit(2)
}
const sending = new RedisClient(url)
const hearing = new RedisClient(url)
await Promise.all([sending.connect(), hearing.connect()])
await hearing.subscribe(`${channel}:there`, (message) => {
  sending.publish(`${channel}:back`, message).catch((error) => {
    console.error(`bus-echo: ${error instanceof Error ? error.message : error}`)
    process.exit(1)
  })
})
console.log('{"ready":1}')
