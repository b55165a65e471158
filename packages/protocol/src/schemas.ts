// Schemas that several modules share.

import { type TProperties, type TSchema, Type } from "typebox"

/** RFC 3339, UTC. Weir answers in this form; requests may use offsets and 0 to 9 fraction digits. */
export const Timestamp = Type.String({ maxLength: 40, description: "RFC 3339 date and time" })

/** Free-form JSON object of the app's own; its size is checked against `limits.customBytesMax`. */
export const Custom = Type.Record(Type.String({ maxLength: 255 }), Type.Unknown())

/** The schema's values, or null. */
export const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** An answer: the operation's own members and the time it took. */
export const Answer = <P extends TProperties>(properties: P) =>
  Type.Object({ ...properties, duration: Type.String({ description: "time spent, such as 1.23ms" }) })

export const Empty = Type.Object({})

export const SortParam = Type.Object({
  field: Type.String({ minLength: 1, maxLength: 255 }),
  direction: Type.Optional(Type.Union([Type.Literal(1), Type.Literal(-1)])),
  type: Type.Optional(Type.String({ maxLength: 32 })),
})

/** A Mongo-style filter; parsed and bounded by the server's store/filter.ts. */
export const Filter = Type.Record(Type.String({ maxLength: 255 }), Type.Unknown())

/** The user a server call acts for (contract/README.md, «Filters, sorting, paging»). */
export const ActingUser = {
  user_id: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  user: Type.Optional(Type.Object({ id: Type.String({ minLength: 1, maxLength: 255 }) })),
}
