// What feeds do when a user is deleted for good: bounded steps for the task that core/users runs.

import type { DeleteContent } from "../../../core/users/index.ts"
import { emptyFeedsOf, type Feeds, leaveFeeds, type People, type Relations } from "../feeds/index.ts"
import { endFollowsOf } from "../follows/index.ts"
import { limits } from "./limits.ts"
import { deleteEverywhere } from "./routes.ts"
import { lockActivitiesOf } from "./store.ts"

export interface DeletionParts {
  readonly feeds: Feeds
  readonly relations: Relations
  readonly people: People
}

/**
 * One step: a batch of what the user wrote, then of follows to and from their feeds, then of memberships, and at last
 * the feeds themselves, which stay as empty private rows so that nobody takes their names. A soft deletion leaves
 * everything as it is.
 */
export const createDeleteContent =
  ({ feeds, relations, people }: DeletionParts): DeleteContent =>
  async (tx, appId, userId, { mode, now }) => {
    if (mode !== "hard") return true
    const written = await lockActivitiesOf(tx, appId, userId, limits.deletionBatchMax)
    for (const row of written) await deleteEverywhere(people, tx, row, { isHard: true, actor: null, now })
    if (written.length > 0) return false
    if (!(await endFollowsOf({ relations, people }, tx, appId, userId, now))) return false
    if (!(await leaveFeeds({ relations }, tx, appId, userId, now))) return false
    return emptyFeedsOf({ feeds }, tx, appId, userId, now)
  }
