// Listening to an app's events at the management API: deliveries come down an open answer, and what became of them goes
// up in requests. So a receiver under development needs no address that the server could reach.

import { type Static, Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull } from "../schemas.ts"
import { HookPath } from "./operations.ts"
import { EventTypes, NewHookSecret } from "./schemas.ts"

/** Bounds of listening. Units are at the end of each name. */
export const listenLimits = {
  /** A listener that hears nothing for much longer has lost its connection. */
  pingEveryMs: 15_000,
  /** How long a listener may take to answer a delivery. */
  answerMs: 30_000,
  /** Of what a listener hands back to be known again. */
  resumeCharsMax: 2_048,
  /** Of an answer, as it may be sent; less of it is kept. */
  headersMax: 100,
  headerNameCharsMax: 256,
  headerCharsMax: 8_192,
  bodyCharsMax: 64 * 1024,
  errorCharsMax: 1_024,
} as const

/** One line of the answer of ListenToHooks. */
export const ListenLine = Type.Union([
  /** The first line. */
  Type.Object({
    type: Type.Literal("ready"),
    hook_id: Type.String(),
    /** What the deliveries of this hook are signed with. */
    secrets: Type.Array(NewHookSecret),
    /** Given to the next ListenToHooks, the hook made there signs with the same secrets. Holds them sealed. */
    resume: Type.String(),
    /** A delivery that is not answered for so long has failed. */
    timeout_ms: Type.Integer(),
  }),
  Type.Object({
    type: Type.Literal("delivery"),
    /** What receivers get as `webhook-id`. */
    id: Type.String(),
    /** From 1. */
    attempt: Type.Integer(),
    /** As an HTTP receiver gets them, by their lower-case names. */
    headers: Type.Record(Type.String(), Type.String()),
    /** As an HTTP receiver gets it: the signatures cover its bytes in UTF-8. */
    body: Type.String(),
  }),
  /** Now and then, so that a lost connection is noticed on both sides. */
  Type.Object({ type: Type.Literal("ping") }),
  /** The last line, where the server had the time for one: somebody else may be listened to. */
  Type.Object({
    type: Type.Literal("end"),
    reason: Type.Union([
      /** The node goes down; another one takes the listener. */
      Type.Literal("draining"),
      /** The hook is gone: its node was silent for so long that another one took it for dead. */
      Type.Literal("removed"),
    ]),
  }),
])

export type ListenLine = Static<typeof ListenLine>

export const listenToHooks = operation({
  name: "ListenToHooks",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/hooks/listen",
  tag: "admin",
  summary:
    "Makes a hook that lives as long as this answer is read: its deliveries are lines, which AnswerDelivery answers.",
  access: ["operator"],
  needs: "hooks.manage",
  params: AppPath,
  query: Type.Object({
    /** As of a hook: exact types, or the beginning of some with `*` at the end. Empty: all. */
    event_types: Type.Optional(EventTypes),
    product: Type.Optional(
      Type.Union([
        Type.Literal("all"),
        Type.Literal("chat"),
        Type.Literal("feeds"),
        Type.Literal("video"),
        Type.Literal("moderation"),
      ]),
    ),
    /** Also events of the app's own making. */
    should_send_custom_events: Type.Optional(Type.Boolean()),
    /** From the first line of a listener that ended. */
    resume: Type.Optional(Type.String({ maxLength: listenLimits.resumeCharsMax, pattern: "^[\\w.-]+$" })),
  }),
  body: null,
  output: ListenLine,
  contentType: "application/x-ndjson",
  status: 200,
  errors: ["notFound"],
})

export const answerDelivery = operation({
  name: "AnswerDelivery",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}/answers",
  tag: "admin",
  summary: "Says what became of a delivery to a listener, as an HTTP answer would.",
  access: ["operator"],
  needs: "hooks.manage",
  params: HookPath,
  query: Empty,
  body: Type.Object({
    /** Id and attempt as the line had them. */
    delivery: Type.String({ pattern: "^[\\w-]{1,100}$" }),
    attempt: Type.Integer({ minimum: 1, maximum: 1_000 }),
    /** HTTP status; null or absent: there was no answer, and `error` says why. */
    status: Type.Optional(OrNull(Type.Integer({ minimum: 100, maximum: 599 }))),
    headers: Type.Optional(
      Type.Record(
        Type.String({ maxLength: listenLimits.headerNameCharsMax }),
        Type.String({ maxLength: listenLimits.headerCharsMax }),
        { maxProperties: listenLimits.headersMax },
      ),
    ),
    body: Type.Optional(Type.String({ maxLength: listenLimits.bodyCharsMax })),
    /** How long the receiver took; the time until this call counts unless given. */
    duration_ms: Type.Optional(Type.Number({ minimum: 0, maximum: 10 * listenLimits.answerMs })),
    error: Type.Optional(Type.String({ maxLength: listenLimits.errorCharsMax })),
  }),
  output: Answer({
    /** False: nobody waits for this answer any more. */
    accepted: Type.Boolean(),
  }),
  status: 200,
  errors: ["notFound"],
})
