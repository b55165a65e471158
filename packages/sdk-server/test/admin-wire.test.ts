// The plain types of the management API against the protocol's schemas. The compiler compares them; what runs only
// counts that none was left out.

import { expect, test } from "bun:test"
import * as protocol from "../../protocol/src/index.ts"
import { adminEndpoints } from "../src/admin-endpoints.ts"
import type { AdminOperations } from "../src/admin-wire.ts"

const operations = {
  ...protocol.apps,
  ...protocol.keys,
  ...protocol.rateLimits,
  ...protocol.revocations,
  ...protocol.sessions,
  ...protocol.decisions,
  ...protocol.audit,
  ...protocol.operators,
  ...protocol.webhooks,
  ...protocol.people,
  ...protocol.tokens,
  ...protocol.grants,
  ...protocol.traffic,
  ...protocol.nodes,
}
type Operations = typeof operations

/** One spelling for one type: members of one object, writable, whatever they were composed of. */
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { -readonly [Name in keyof T]: Plain<T[Name]> }
    : T
/** Identical, not only assignable: a missing optional member counts. */
type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : "differs"
type IsSame<A, B> = Equal<Plain<A>, Plain<B>>
type NoQuery = protocol.InputOf<Operations["listApps"]>["query"]
/** The answer as its schema says: read as if it were a body, because OutputOf also freezes it. */
type AnswerOf<Op extends protocol.Operation> = protocol.InputOf<Omit<Op, "body"> & { body: Op["output"] }>["body"]
type Member<Entry, Name extends string, Absent> = Entry extends { [N in Name]: infer Type } ? Type : Absent

type Compared = {
  [Name in keyof AdminOperations]: {
    body: IsSame<Member<AdminOperations[Name], "body", undefined>, protocol.InputOf<Operations[Name]>["body"]>
    query: IsSame<Member<AdminOperations[Name], "query", NoQuery>, protocol.InputOf<Operations[Name]>["query"]>
    answer: IsSame<AdminOperations[Name]["answer"], AnswerOf<Operations[Name]>>
  }
}
type Differences = {
  [Name in keyof Compared]: "differs" extends Compared[Name][keyof Compared[Name]] ? Name : never
}[keyof Compared]

// When a schema changes, the compiler says here which operation's types do not follow it.
const areSame: [Differences] extends [never] ? true : Differences = true

test("no type differs from its schema, and none is without one", () => {
  expect<unknown>(areSame).toBe(true)
  expect(Object.keys(adminEndpoints).filter((name) => !(name in operations))).toEqual([])
})
