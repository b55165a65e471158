import { createLinkedBuses, type LinkedBus } from "./linked.ts"
import { busSuite } from "./suite.ts"

const linked = createLinkedBuses("by-itself")
let open: LinkedBus[] = []

busSuite("linked in one process", {
  shared: true,
  async open() {
    const bus = linked.open()
    open.push(bus)
    return bus
  },
  outage: {
    async begin() {
      for (const bus of open) bus.cut()
    },
    async end() {
      for (const bus of open) bus.mend()
      open = []
    },
  },
})
