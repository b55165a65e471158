import { expect, spyOn, test } from "bun:test"
import { createEmitter } from "../src/emitter.ts"
import type { WeirEvent } from "../src/events.ts"

const changed = (online: boolean) => ({ type: "connection.changed", online }) as const

test("listeners hear their type, `*` hears everything, in the order they came", () => {
  const emitter = createEmitter<WeirEvent>()
  const heard: string[] = []
  emitter.on("connection.changed", ({ online }) => heard.push(`changed ${online}`))
  emitter.on("*", ({ type }) => heard.push(`* ${type}`))
  emitter.emit(changed(true))
  emitter.emit({ type: "connection.recovered" })
  expect(heard).toEqual(["changed true", "* connection.changed", "* connection.recovered"])
})

test("off, and the function that on returns, end a listener", () => {
  const emitter = createEmitter<WeirEvent>()
  let heard = 0
  const listener = () => {
    heard += 1
  }
  const stop = emitter.on("*", listener)
  stop()
  emitter.on("connection.changed", listener)
  emitter.off("connection.changed", listener)
  emitter.emit(changed(true))
  expect(heard).toBe(0)
})

test("a listener may take itself off while it runs, and a throwing one does not silence the others", () => {
  const logged = spyOn(console, "error").mockImplementation(() => {})
  const emitter = createEmitter<WeirEvent>()
  const heard: number[] = []
  const stop = emitter.on("*", () => {
    heard.push(1)
    stop()
  })
  emitter.on("*", () => {
    throw new Error("broken listener")
  })
  emitter.on("*", () => heard.push(2))
  emitter.emit(changed(true))
  emitter.emit(changed(false))
  expect(heard).toEqual([1, 2, 2])
  expect(logged).toHaveBeenCalledTimes(2)
  logged.mockRestore()
})
