// Weir without its counts of traffic and its log of requests: everything else is the very same. Only a measurement may do
// without, so there is no setting for it; the part is replaced as its module is loaded.

import { plugin } from "bun"

const silent = `export const createTraffic = () => ({
  observeRequest: () => undefined,
  observeSockets: { handshake: () => undefined, opened: () => undefined, closed: () => undefined },
  delivered: () => undefined,
  recent: { seat: () => null, find: () => ({ requests: [], lastSeq: 0, missed: 0 }) },
  openSockets: () => 0,
  unwritten: () => [],
  requestCount: 0,
  droppedCount: 0,
  flush: async () => {},
  roll: async () => {},
  close: async () => {},
})`

let replaced = false
plugin({
  name: "uncounted",
  setup(build) {
    build.onLoad({ filter: /\/core\/traffic\/cache\.ts$/ }, () => {
      replaced = true
      return { contents: silent, loader: "ts" }
    })
  },
})

const { main } = await import("@weir/server/main")
if (!replaced) {
  console.error("bench/peers/uncounted.ts: the counts of traffic are no longer where they were")
  process.exit(1)
}
process.exit(await main(process.env))
