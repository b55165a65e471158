// An operation is a plain value that says everything about one endpoint: its published name, where it is, who may
// call it, what goes in and out, and which errors to expect. Routes, validation, OpenAPI, the docs page, SDK types
// and the security matrix are made from it.

import type { Static, TObject, TSchema } from "typebox"
import type { ErrorName } from "./errors.ts"
import type { OperatorAction } from "./operators/roles.ts"
import type { PrincipalKind } from "./principal.ts"

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

export interface Operation<
  Path extends TObject = TObject,
  Query extends TObject = TObject,
  Body extends TSchema | null = TSchema | null,
  Output extends TSchema = TSchema,
> {
  /** Published name in PascalCase; it opens every error message. */
  readonly name: string
  readonly method: Method
  /** Template with `{parameters}`. Literal segments win over parameters. */
  readonly path: string
  readonly tag: "common" | "chat" | "feeds" | "video" | "admin"
  /** One sentence for the reference page. */
  readonly summary: string
  /** Which kinds of principal may knock at all; a refusal here is 403/17. */
  readonly access: readonly PrincipalKind[]
  /** What an operator's role must allow. Every operation of the management API says it, and no other. */
  readonly needs?: OperatorAction
  /** What some inputs need as well; null: nothing more. */
  readonly needsAlso?: (input: OperatorInput) => OperatorAction | null
  /** Whether an operator must have proved of late who they are: always, or for some inputs. */
  readonly stepUp?: true | ((input: OperatorInput) => boolean)
  /** True where strangers may knock: the API key is enough, and a token that comes along is not looked at. */
  readonly keyOnly?: boolean
  readonly params: Path
  readonly query: Query
  /** Null: whatever the body holds is ignored. */
  readonly body: Body
  readonly output: Output
  /** Media type of an answer that is no JSON object; `output` then describes one line of x-ndjson, or the whole text. */
  readonly contentType?: "application/x-ndjson" | "text/plain; version=0.0.4"
  /** HTTP status of success. */
  readonly status: 200 | 201
  /** Beyond those of every authenticated route (accessKey, authentication, token*, rateLimit, appSuspended, input). */
  readonly errors: readonly ErrorName[]
}

/** A valid input, as far as what an operator must be allowed depends on it. */
export interface OperatorInput {
  readonly query: unknown
  readonly body: unknown
}

/** Declares an operation; the types of its input and output follow from the schemas. */
export const operation = <P extends TObject, Q extends TObject, B extends TSchema | null, O extends TSchema>(
  value: Operation<P, Q, B, O>,
): Operation<P, Q, B, O> => value

export interface InputOf<Op extends Operation> {
  path: Static<Op["params"]>
  query: Static<Op["query"]>
  body: Op["body"] extends TSchema ? Static<Op["body"]> : Op["body"] extends null ? undefined : unknown
}

// `duration` is added by the envelope, so handlers do not return it. What they return may be shared (a user stands in
// many answers), so nobody may change it.
export type OutputOf<Op extends Operation> = Frozen<Omit<Static<Op["output"]>, "duration">>

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Frozen<T[Name]> }
    : T
