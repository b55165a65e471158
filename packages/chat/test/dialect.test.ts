import { expect, test } from "bun:test"
import fc from "fast-check"
import { channelToWire, fromWire, messageToWire, sortToWire, userToWire } from "../src/dialect.ts"

test("unknown fields go into custom, known ones stay, and what is in custom already is kept", () => {
  expect(userToWire<object>({ id: "ann", name: "Ann", color: "red", custom: { size: 1 }, image: undefined })).toEqual({
    id: "ann",
    name: "Ann",
    custom: { size: 1, color: "red" },
  })
  expect(userToWire<object>({ id: "ann" })).toEqual({ id: "ann" })
  const channel = { name: "General", members: ["ann", { user_id: "bob", channel_role: "x", nick: "b" }], frozen: true }
  expect(channelToWire<object>(channel)).toEqual({
    members: ["ann", { user_id: "bob", channel_role: "x", custom: { nick: "b" } }],
    frozen: true,
    custom: { name: "General" },
  })
  expect(messageToWire<object>({ text: "hi", mood: "good", attachments: [{ type: "image", width: 5 }] })).toEqual({
    text: "hi",
    attachments: [{ type: "image", custom: { width: 5 } }],
    custom: { mood: "good" },
  })
})

test("answers are flat at every level, a known field wins, and custom data itself is left alone", () => {
  const answer = {
    message: {
      id: "m",
      custom: { id: "x", mood: "good", nested: { custom: { a: 1 } } },
      user: { id: "a", custom: { b: 2 } },
    },
    list: [{ custom: { c: 3 } }],
    custom: "no object",
  }
  expect(fromWire<object>(answer)).toEqual({
    message: { id: "m", mood: "good", nested: { custom: { a: 1 } }, user: { id: "a", b: 2 } },
    list: [{ c: 3 }],
    custom: "no object",
  })
})

test("what an app writes comes back as it wrote it", () => {
  const plain = fc.dictionary(
    fc.string().filter((name) => name !== "custom"),
    fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.dictionary(fc.string(), fc.integer())),
  )
  fc.assert(
    fc.property(plain, (data) => {
      const sent = JSON.parse(JSON.stringify({ ...data, id: "ann" }))
      const back = fromWire<object>(JSON.parse(JSON.stringify(userToWire(sent))))
      // Known fields are the wire's own objects, in which custom data may be nested again.
      if (!JSON.stringify(sent).includes('"custom"')) expect(back).toEqual(sent)
    }),
  )
})

test("a name such as __proto__ stays data", () => {
  const hostile = JSON.parse('{"id":"a","__proto__":{"polluted":true},"custom":{"constructor":1}}')
  const wire = JSON.stringify(userToWire(hostile))
  expect(JSON.parse(wire).custom).toHaveProperty("constructor", 1)
  expect((fromWire(JSON.parse(wire)) as { polluted?: boolean }).polluted).toBeUndefined()
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test("a sort is brought to the wire's form from each of its spellings", () => {
  const descending = { field: "a", direction: -1 } as const
  const ascending = { field: "b", direction: 1 } as const
  expect(sortToWire(undefined)).toBeUndefined()
  expect(sortToWire({ a: -1 })).toEqual([descending])
  expect(sortToWire({ a: -1, b: 1 })).toEqual([descending, ascending])
  expect(sortToWire([{ a: -1 }, { b: 1 }])).toEqual([descending, ascending])
  expect(sortToWire([{ field: "a", direction: -1 }, { field: "b" }])).toEqual([descending, ascending])
})
