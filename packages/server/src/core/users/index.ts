export { actions as userActions, hearsPresence, userResource } from "./actions.ts"
export { createUsers, dropUsers, type Users, userKey, usersById } from "./cache.ts"
export { createConnectUser, createEnsureActor, requireUsers } from "./connect.ts"
export { createDeletionHandler, createSweepHandler, type DeleteContent, type DeletionOptions } from "./deletion.ts"
export { presenceChanged } from "./events.ts"
export { deletionTaskKind, sweepTaskKind, userRoutes } from "./routes.ts"
export {
  banFields,
  channelBanOf,
  newGuest,
  newUser,
  type UnreadCounts,
  type UserResponse,
  userResponse,
} from "./rules.ts"
export {
  countUsers,
  insertMissingUsers,
  lockUsers,
  selectUser,
  selectUsers,
  setBans,
  type User,
  upsertUsers,
  userOf,
} from "./store.ts"
