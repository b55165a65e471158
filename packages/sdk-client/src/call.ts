// One video call, as an app holds it.

import type { HandleParts } from "./channel.ts"
import type { EventOf, Listener } from "./emitter.ts"
import type { WeirEvent } from "./events.ts"
import type { Answer, CallMember, CallState, GetOrCreateCallRequest, QueryCallMembersRequest } from "./wire.ts"

export interface Call {
  readonly type: string
  readonly id: string
  /** `type:id`. */
  readonly cid: string
  /** Creates the call unless it exists. `watch` also receives its events. */
  getOrCreate(request?: GetOrCreateCallRequest & { watch?: boolean }): Promise<Answer<CallState & { created: boolean }>>
  get(options?: { members_limit?: number; watch?: boolean }): Promise<Answer<CallState>>
  queryMembers(
    request?: QueryCallMembersRequest,
  ): Promise<Answer<{ members: CallMember[]; next?: string; prev?: string }>>
  /** Ends the call for everyone. */
  end(): Promise<Answer>
  /** Events of this call only; `*` for all of them. Returns a function that ends it. */
  on<Type extends string>(type: Type, listener: Listener<EventOf<WeirEvent, Type>>): () => void
}

export function createCall(parts: HandleParts, type: string, id: string): Call {
  const { operations } = parts
  const cid = `${type}:${id}`
  const watched = () => ({ kind: "call" as const, type, id })
  return {
    type,
    id,
    cid,
    getOrCreate({ watch, ...request } = {}) {
      if (!watch) return operations.calls.getOrCreate(type, id, request)
      return parts.watching(watched, (bound) => operations.calls.getOrCreate(type, id, request, bound))
    },
    get({ watch, ...options } = {}) {
      if (!watch) return operations.calls.get(type, id, options)
      return parts.watching(watched, (bound) => operations.calls.get(type, id, { ...options, ...bound }))
    },
    queryMembers: (request) => operations.calls.queryMembers(type, id, request),
    end: () => operations.calls.end(type, id),
    on: (eventType, listener) =>
      parts.on(eventType, (event) => {
        if ((event as { call_cid?: string }).call_cid === cid) listener(event)
      }),
  }
}
