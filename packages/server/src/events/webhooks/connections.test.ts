// The bounds of kept connections: how many, how long, and that nobody's connection ends under their hands.

import { afterEach, describe, expect, test } from "bun:test"
import { type Connection, type Connections, createConnections } from "./connections.ts"
import { WireError } from "./wire.ts"

interface Double extends Connection {
  readonly name: string
  isUsable: boolean
  isClosed: boolean
}

const opened: Double[] = []
const open = (name: string) => async (): Promise<Double> => {
  const double: Double = {
    name,
    isUsable: true,
    isClosed: false,
    close() {
      double.isClosed = true
      double.isUsable = false
    },
  }
  opened.push(double)
  return double
}
const made: Connections<Double>[] = []
const create = (connectionsMax?: number, idleMs?: number): Connections<Double> => {
  const connections = createConnections<Double>(connectionsMax, idleMs)
  made.push(connections)
  return connections
}
afterEach(() => {
  for (const connections of made.splice(0)) connections.close()
  opened.length = 0
})

const soonMs = (): number => performance.now() + 1_000
const use = <R>(all: Connections<Double>, key: string, run: (one: Double) => Promise<R>): Promise<R> =>
  all.use(key, soonMs(), open(key), run)
const name = async ({ name }: Double): Promise<string> => name
const faultOf = (promise: Promise<unknown>): Promise<string | null> =>
  promise.then(
    () => null,
    (error) => (error instanceof WireError ? error.fault : "other"),
  )

describe("one connection for each key", () => {
  test("is opened once for all who come at the same time, and kept", async () => {
    const all = create()
    expect(await Promise.all(["a", "a", "b"].map((key) => use(all, key, name)))).toEqual(["a", "a", "b"])
    expect(await use(all, "a", name)).toBe("a")
    expect(opened.map((one) => one.name)).toEqual(["a", "b"])
  })

  test("that did not open is tried again by the next", async () => {
    const all = create()
    const fail = async (): Promise<Double> => {
      throw new WireError("connect", "refused")
    }
    const both = [1, 2].map(() => faultOf(all.use("a", soonMs(), fail, name)))
    expect(await Promise.all(both)).toEqual(["connect", "connect"])
    expect(await use(all, "a", name)).toBe("a")
  })

  test("that takes long to open is waited for up to each one's own end", async () => {
    const all = create()
    let opensNow = (): void => {}
    const slow = async (): Promise<Double> => {
      await new Promise<void>((resolve) => {
        opensNow = resolve
      })
      return open("a")()
    }
    const patient = all.use("a", soonMs(), slow, name)
    expect(await faultOf(all.use("a", performance.now() + 20, slow, name))).toBe("timeout")
    opensNow()
    expect(await patient).toBe("a")
    expect(opened).toHaveLength(1)
  })

  test("that is no longer usable is replaced, and ends with its last user", async () => {
    const all = create()
    let finish = (): void => {}
    const long = use(all, "a", async (one) => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return one.isClosed
    })
    await Bun.sleep(1)
    const [first] = opened
    if (first === undefined) throw new Error("nothing was opened")
    first.isUsable = false
    await use(all, "a", name)
    expect(opened).toHaveLength(2)
    expect(first.isClosed).toBe(false)
    finish()
    expect(await long).toBe(false)
    expect(first.isClosed).toBe(true)
    expect(opened[1]?.isClosed).toBe(false)
  })
})

describe("bounds", () => {
  test("the one that nobody has used for longest makes room", async () => {
    const all = create(2)
    await use(all, "a", name)
    await Bun.sleep(2)
    await use(all, "b", name)
    await Bun.sleep(2)
    await use(all, "a", name)
    await use(all, "c", name)
    expect(opened.filter(({ isClosed }) => isClosed).map((one) => one.name)).toEqual(["b"])
  })

  test("none is closed under somebody's hands: who finds all in use is told", async () => {
    const all = create(1)
    const result = await use(all, "a", async (one) => {
      expect(await faultOf(use(all, "b", name))).toBe("busy")
      return one.isClosed
    })
    expect(result).toBe(false)
    expect(await use(all, "b", name)).toBe("b")
  })

  test("one that nobody uses is closed after a while, and one in use is not", async () => {
    const all = create(10, 20)
    await use(all, "a", name)
    await use(all, "b", async () => {
      await Bun.sleep(80)
      expect(opened.map(({ isClosed }) => isClosed)).toEqual([true, false])
    })
  })

  test("after the end there is none, not even one that was on its way", async () => {
    const all = create()
    let opensNow = (): void => {}
    const late = all.use(
      "a",
      soonMs(),
      async () => {
        await new Promise<void>((resolve) => {
          opensNow = resolve
        })
        return open("a")()
      },
      async (one) => one.isClosed,
    )
    await use(all, "b", name)
    all.close()
    opensNow()
    expect(await late).toBe(true)
    expect(opened.every(({ isClosed }) => isClosed)).toBe(true)
    expect(await faultOf(use(all, "b", name))).toBe("closing")
  })
})
