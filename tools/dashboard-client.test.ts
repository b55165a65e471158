import { expect, test } from "bun:test"
import { dashboardClient, dashboardClientUrl } from "./dashboard-client.ts"

// The dashboard calls what the protocol says, by names and addresses that the compiler has checked.
test("the dashboard's operations are current: node tools/bun.mjs tools/dashboard-client.ts", async () => {
  expect(await Bun.file(dashboardClientUrl).text()).toBe(dashboardClient())
})

test("every operation stands there once, with its method and address", () => {
  const addresses = dashboardClient().match(/^ {2}\w+: \["[A-Z]+", "\/api\/admin\/v1\/[^"]*"\],$/gm) ?? []
  const types = dashboardClient().match(/^ {2}\w+: typeof [\w.]+$/gm) ?? []
  expect(addresses.length).toBeGreaterThan(0)
  expect(addresses.map(nameOf)).toEqual(types.map(nameOf))
  expect(new Set(types.map(nameOf)).size).toBe(types.length)
})

const nameOf = (line: string): string => line.trim().split(":")[0] ?? ""
