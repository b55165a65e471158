export { createMembers, createPeople, type Members, type People } from "./cache.ts"
export { memberAdded, memberRemoved, memberUpdated } from "./events.ts"
export { limits as memberLimits } from "./limits.ts"
export { migrations as memberMigrations } from "./migrations.ts"
export { type MemberRouteParts, memberRoutes } from "./routes.ts"
export {
  type MemberInput,
  type MemberResponse,
  memberInputs,
  memberResponse,
  memberRole,
  moderatorRole,
  newMember,
  type ReadPosition,
} from "./rules.ts"
export {
  type ChannelMemberRow,
  deleteMembers,
  insertMembers,
  selectChannelsOf,
  selectMember,
  selectMembers,
  selectRosterIds,
  updateMemberRoles,
} from "./store.ts"
