// The door of feeds: builds the product from its three modules, which stand on each other in this order.

import type { Explainer } from "../../../core/decisions/index.ts"
import type { TaskHandler } from "../../../core/tasks/index.ts"
import type { DeleteContent, Users } from "../../../core/users/index.ts"
import type { Caches } from "../../../events/caches.ts"
import type { Presence } from "../../../events/presence.ts"
import type { Sockets } from "../../../events/sockets.ts"
import type { Route } from "../../../request/route.ts"
import type { Read } from "../../../store/database.ts"
import type { ModuleMigrations } from "../../../store/migrate.ts"
import {
  actions,
  createFeedLookUp,
  createFeeds,
  createPeople,
  migrations as feedModuleMigrations,
  feedRoutes,
  settleFollowsTask,
} from "../feeds/index.ts"
import {
  createReadFollows,
  createRelations,
  createSettleFollows,
  migrations as followMigrations,
  followRoutes,
} from "../follows/index.ts"
import { createDeleteContent } from "./deletion.ts"
import { migrations as activityMigrations } from "./migrations.ts"
import { activityRoutes, createReadActivities } from "./routes.ts"

export interface FeedParts {
  readonly caches: Caches
  readonly read: Read
  readonly users: Users
  readonly presence: Pick<Presence, "isOnline">
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe">
  /** There is a task to do. */
  readonly wakeTasks: () => void
}

export interface FeedProduct {
  readonly routes: readonly Route[]
  /** What the product does behind its replies, by kind of task. */
  readonly tasks: ReadonlyMap<string, TaskHandler>
  readonly deleteContent: DeleteContent
  /** Lets operators ask who may do what in a feed, by the resource that the routes decide on. */
  readonly explainer: Explainer
}

export function createFeedProduct({ caches, read, users, presence, sockets, wakeTasks }: FeedParts): FeedProduct {
  const feeds = createFeeds(caches, read)
  const relations = createRelations(caches, read)
  const people = createPeople(users, presence)
  const lookUp = createFeedLookUp(feeds, relations)
  const readActivities = createReadActivities(people)
  const readFollows = createReadFollows(people)
  return {
    routes: [
      ...feedRoutes({ feeds, lookUp, relations, people, sockets, readActivities, readFollows, wakeTasks }),
      ...followRoutes({ lookUp, relations, people }),
      ...activityRoutes({ lookUp, people }),
    ],
    tasks: new Map([[settleFollowsTask, createSettleFollows({ relations, people })]]),
    deleteContent: createDeleteContent({ feeds, relations, people }),
    explainer: {
      actions: Object.values(actions),
      resource: async (principal, feed) => (await lookUp.find(principal, feed))?.resource ?? null,
    },
  }
}

export const feedMigrations: readonly ModuleMigrations[] = [
  { module: "feeds", migrations: feedModuleMigrations },
  { module: "follows", migrations: followMigrations },
  { module: "activities", migrations: activityMigrations },
]
