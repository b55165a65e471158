import { cidOf, chat as operations } from "@weir/protocol"
import { can } from "../../../authorize/decide.ts"
import { type Awaitable, chain } from "../../../base/chain.ts"
import { type Delivery, frameOf } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { RequestInfo } from "../../../request/request-info.ts"
import { type Route, route } from "../../../request/route.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import type { People } from "../members/index.ts"
import { actions, chatTypeLimits, type OpenChannel, placeOf, requireEnabled, requireKnown } from "../types/index.ts"
import { customEvent } from "./events.ts"
import { sentEvent, showsTyping } from "./rules.ts"

export interface EventParts {
  readonly openChannel: OpenChannel
  readonly people: People
  readonly watcherCount: (appId: number, cid: string) => number
  /** Tells the sockets something that is not kept. */
  readonly tell: (appId: number, deliveries: readonly Delivery[]) => void
  readonly announce: Announce
}

/**
 * Tells backends of an event that changes nothing here, if a hook of the app wants it; resolves when that is durable.
 * Where no hook does, nothing is written and it answers at once. `requestInfo` is of the request that caused it.
 */
export type Announce = (event: OutboxEvent, requestInfo: () => RequestInfo) => Awaitable<void>

export const eventRoutes = (parts: EventParts): Route[] => [
  route(operations.sendEvent, {
    actor: "required",
    actorOf: ({ body }) => body.event.user_id ?? body.event.user?.id,
    load: ({ input, appId, principal, actor }) => {
      const cid = cidOf(input.path.type, input.path.id)
      return chain(parts.openChannel(principal, appId, cid), (found) => {
        const access = requireKnown(principal, found, cid)
        return chain(parts.people.stored(appId, actor as string), (user) =>
          chain(parts.people.one(appId, actor as string), (shown) => ({ access, user, shown })),
        )
      })
    },
    authorize: ({ principal, access, input }) => {
      const { type, custom } = input.body.event
      const kind = sentEvent(type, custom, access.channel.type.config)
      return [
        requireEnabled(principal, access.channel),
        can(principal, kind === "typing" ? actions.createMessage : actions.sendCustomEvent, access.resource),
      ]
    },
    handle({ input, appId, access, user, shown, requestInfo, now }) {
      const { channel } = access
      const { type, parent_id, custom } = input.body.event
      const event = {
        type,
        created_at: new Date(now).toISOString(),
        ...placeOf(channel),
        ...(parent_id === undefined ? {} : { parent_id }),
        user: shown,
        custom: custom ?? {},
      }
      const isTyping = type === "typing.start" || type === "typing.stop"
      const isTold =
        !isTyping || (showsTyping(user) && parts.watcherCount(appId, channel.cid) <= chatTypeLimits.fleetingWatchersMax)
      if (isTold) {
        parts.tell(appId, [{ to: "topic", topic: topics.channel(appId, channel.cid), frame: frameOf(event) }])
      }
      if (isTyping) return { event }
      return chain(parts.announce(customEvent(channel, event), requestInfo), () => ({ event }))
    },
  }),
]
