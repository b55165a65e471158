// The page of events is a promise of what backends hear; these tests hear it.

import { beforeAll, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { webhookEvents } from "@weir/protocol"
import { eventsDoc, eventsDocUrl, samplesText, samplesUrl } from "./events-doc.ts"
import { customType, type Tour, tourOfEvents } from "./events-tour.ts"

let tour: Tour
beforeAll(async () => {
  tour = await tourOfEvents()
}, 60_000)

test("backends hear of every type in the registry, and of no other", () => {
  expect(tour.types).toEqual([...webhookEvents.types, customType].sort())
})

test("a sample is of its type, and says when", () => {
  for (const [type, sample] of Object.entries(tour.samples)) {
    expect(sample).toMatchObject({ type, created_at: "2026-01-02T03:04:05.678Z" })
  }
})

test("docs/reference/events.md is current: node tools/bun.mjs tools/events-doc.ts", async () => {
  expect(await Bun.file(eventsDocUrl).text()).toBe(eventsDoc(tour))
})

test("the samples of test events are current: node tools/bun.mjs tools/events-doc.ts", async () => {
  expect(await Bun.file(samplesUrl).text()).toBe(samplesText(tour))
})

// A builder that the tour does not reach would go unnoticed, so the source is read too.
test("a type that the source names is in the registry, or is for sockets alone", () => {
  const source = new URL("../packages/server/src", import.meta.url).pathname
  const builders = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) =>
    /(^|\/)events\.ts$/.test(file),
  )
  expect(builders.length).toBeGreaterThan(8)
  const named = builders.flatMap((file) =>
    [
      ...readFileSync(join(source, file), "utf8").matchAll(/"((?:user|channel|member|message|call|feeds)\.[a-z_.]+)"/g),
    ].map(([, type]) => type as string),
  )
  const forSockets = ["user.presence.changed", "user.tokens_revoked", "user.watching.start", "user.watching.stop"]
  expect([...new Set(named)].sort()).toEqual([...webhookEvents.types, ...forSockets].sort())
})
