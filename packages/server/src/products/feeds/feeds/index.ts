export { actions } from "./actions.ts"
export {
  createFeedLookUp,
  createFeeds,
  createPeople,
  type FeedLookUp,
  type LoadedFeed,
  type People,
  type Relations,
} from "./cache.ts"
export { feedEvent, type FeedEventInput, lostAudiences } from "./events.ts"
export { migrations } from "./migrations.ts"
export { feedRoutes, type ReadActivities, type ReadFollows, type SettleFollows, settleFollowsTask } from "./routes.ts"
export {
  absentFeed,
  audienceOf,
  type FeedResponse,
  feedResource,
  feedResponse,
  jsonWithin,
  knows,
  mayRead,
  noRelation,
  readsPrivate,
  refuseUnsupported,
  type Relation,
  requireGroup,
  storable,
  timestamp,
} from "./rules.ts"
export { addToCounts, type Feed, type FeedRow, lockFeeds, selectFeedMember, selectFeedRows } from "./store.ts"
