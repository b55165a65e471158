import { cidOf, inputError, chat as operations } from "@weir/protocol"
import { can } from "../../../authorize/decide.ts"
import { chain } from "../../../base/chain.ts"
import { type Route, route } from "../../../request/route.ts"
import { parseFilter } from "../../../store/filter.ts"
import { finishPage, type Page, parseSort } from "../../../store/paginate.ts"
import { actions, distinctId, type OpenChannel, requireEnabled, requireKnown } from "../types/index.ts"
import type { People } from "./cache.ts"
import { memberInputs, memberResponse } from "./rules.ts"
import { memberFilters, memberSorts, selectMatchingMembers } from "./store.ts"

export interface MemberRouteParts {
  readonly openChannel: OpenChannel
  readonly people: People
}

const { chatLimits } = operations

export const memberRoutes = (parts: MemberRouteParts): Route[] => [
  route(operations.queryMembers, {
    actorOf: ({ query }) => query.payload.user_id ?? query.payload.user?.id,
    load: ({ input, appId, principal }) => {
      const { type, id, members } = input.query.payload
      if (id === undefined && (members === undefined || members.length === 0)) {
        throw inputError("payload.id is required, or payload.members for a distinct channel", {
          "payload.id": "is required",
        })
      }
      const channelId =
        id ??
        distinctId(
          appId,
          type,
          memberInputs(members ?? []).map(({ userId }) => userId),
        )
      const cid = cidOf(type, channelId)
      return chain(parts.openChannel(principal, appId, cid), (access) => ({
        access: requireKnown(principal, access, cid),
      }))
    },
    authorize: ({ principal, access }) => [
      requireEnabled(principal, access.channel),
      can(principal, actions.readChannelMembers, access.resource),
    ],
    async handle({ input, appId, read, access }) {
      const { filter_conditions, sort: order, limit = chatLimits.membersPageDefault, offset = 0 } = input.query.payload
      const { channel } = access
      const filter = parseFilter(filter_conditions, memberFilters)
      const sort = parseSort(order, memberSorts)
      if (limit === 0) return { members: [] }
      const page: Page = { limit, offset, cursor: null }
      const found = await selectMatchingMembers(read, appId, channel.cid, filter, sort, page)
      const { rows } = finishPage(found, page, sort)
      const people = await parts.people.many(
        appId,
        rows.map((row) => row.user_id),
      )
      return { members: rows.map((row) => memberResponse(row, people, channel.createdById)) }
    },
  }),
]
