// Weir without a record of refusals: everything else is the very same. Only a measurement may do without, so there is no
// setting for it; the part is replaced as its module is loaded.

import { plugin } from "bun"

const silent = `export const createDecisions = () => ({
  record: () => "",
  recent: () => undefined,
  droppedCount: 0,
  flush: async () => {},
  close: async () => {},
})`

let replaced = false
plugin({
  name: "unrecorded",
  setup(build) {
    build.onLoad({ filter: /\/core\/decisions\/cache\.ts$/ }, () => {
      replaced = true
      return { contents: silent, loader: "ts" }
    })
  },
})

const { main } = await import("@weir/server/main")
if (!replaced) {
  console.error("bench/peers/unrecorded.ts: the record of refusals is no longer where it was")
  process.exit(1)
}
process.exit(await main(process.env))
