import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import type { CallResponse, MemberResponse } from "./rules.ts"

/** Where an event of a call goes: to those who watch it, and to members who are connected and do not. */
interface CallEventInput {
  readonly appId: number
  readonly call: CallResponse
  readonly now: number
}

const callEvent = (
  { appId, call, now }: CallEventInput,
  type: string,
  more: object,
  extra: Delivery[] = [],
): OutboxEvent => {
  const frame = frameOf({ type, created_at: new Date(now).toISOString(), call_cid: call.cid, call, ...more })
  const topic = topics.call(appId, call.cid)
  const deliveries: Delivery[] = [
    { to: "topic", topic, frame },
    { to: "members", of: { kind: "call", cid: call.cid }, unlessTopic: topic, frame },
    ...extra,
  ]
  return outboxEvent(appId, type, `call:${call.cid}`, deliveries, frame)
}

export const callCreated = (input: CallEventInput, members: readonly MemberResponse[]): OutboxEvent =>
  callEvent(input, "call.created", { members })

export const callUpdated = (input: CallEventInput, capabilitiesByRole: Record<string, string[]>): OutboxEvent =>
  callEvent(input, "call.updated", { capabilities_by_role: capabilitiesByRole })

export const callEnded = (input: CallEventInput, user: UserResponse | null): OutboxEvent =>
  callEvent(input, "call.ended", user === null ? {} : { user })

export const memberAdded = (input: CallEventInput, members: readonly MemberResponse[]): OutboxEvent =>
  callEvent(input, "call.member_added", { members })

/** With other roles, those who may not read the call any more hear nothing further of it. */
export const memberUpdated = (
  input: CallEventInput,
  members: readonly MemberResponse[],
  shutOut: readonly string[],
): OutboxEvent =>
  callEvent(input, "call.member_updated", { members }, [
    { to: "unsubscribe", userIds: shutOut, topic: topics.call(input.appId, input.call.cid) },
  ])

/** Those who were removed hear it too, and then nothing more of the call unless it is open to them all the same. */
export function memberRemoved(
  input: CallEventInput,
  userIds: readonly string[],
  shutOut: readonly string[],
): OutboxEvent {
  const { appId, call, now } = input
  const topic = topics.call(appId, call.cid)
  const type = "call.member_removed"
  const frame = frameOf({ type, created_at: new Date(now).toISOString(), call_cid: call.cid, call, members: userIds })
  return callEvent(input, type, { members: userIds }, [
    { to: "users", userIds, unlessTopic: topic, frame },
    { to: "unsubscribe", userIds: shutOut, topic },
  ])
}

export interface Ring {
  /** All members. */
  readonly userIds: readonly string[]
  /** Those that the event shows. */
  readonly members: readonly MemberResponse[]
  readonly caller: UserResponse
  readonly video: boolean
}

/** Rings, or gently notifies, the members; the caller does not ring themselves. */
export function callRing(kind: "call.ring" | "call.notification", input: CallEventInput, ring: Ring): OutboxEvent {
  const { appId, call, now } = input
  const { members, caller, video } = ring
  const created_at = new Date(now).toISOString()
  const frame = frameOf({
    type: kind,
    created_at,
    call_cid: call.cid,
    session_id: "",
    call,
    members,
    user: caller,
    video,
  })
  const userIds = ring.userIds.filter((userId) => userId !== caller.id)
  return outboxEvent(appId, kind, `call:${call.cid}`, [{ to: "users", userIds, frame }], frame)
}
