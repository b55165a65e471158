export { actions, grantsOf, visibilities } from "./actions.ts"
export {
  createFeedLookUp,
  createFeeds,
  createPeople,
  type FeedLookUp,
  type Feeds,
  type LoadedFeed,
  type People,
  type Relations,
} from "./cache.ts"
export { type FeedEventInput, feedEvent, lostAudiences } from "./events.ts"
export { migrations } from "./migrations.ts"
export {
  emptyFeedsOf,
  feedRoutes,
  leaveFeeds,
  type ReadActivities,
  type ReadFollows,
  type SettleFollows,
  settleFollowsTask,
} from "./routes.ts"
export {
  type Audience,
  absentFeed,
  audienceOf,
  type FeedResponse,
  feedResource,
  feedResponse,
  knows,
  mayRead,
  noRelation,
  privateResource,
  type Relation,
  readsPrivate,
  refuseUnsupported,
  requireGroup,
  storable,
  timestamp,
} from "./rules.ts"
export { addToCounts, type Feed, type FeedRow, lockFeeds, selectFeedMember, selectFeedRows } from "./store.ts"
