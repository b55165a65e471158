// What is left to do after users were marked deleted: their content, product by product. The row itself stays for
// good, emptied (rules.ts, deletedUser): it is what keeps the old tokens of a deleted id from opening it again.

import type { Tx } from "../../store/database.ts"
import type { StepResult, TaskHandler } from "../tasks/index.ts"

export type DeletionMode = "soft" | "pruning" | "hard"

export interface DeletionOptions {
  readonly mode: DeletionMode
  readonly messages?: DeletionMode
  readonly conversations?: "soft" | "hard"
  readonly newChannelOwnerId?: string
  /** Milliseconds; when this step runs. */
  readonly now: number
}

/** Removes a bounded part of what a user left in a product; answers whether nothing is left. */
export type DeleteContent = (tx: Tx, appId: number, userId: string, options: DeletionOptions) => Promise<boolean>

interface Payload {
  readonly userIds: readonly string[]
  readonly mode: DeletionMode
  readonly messages?: DeletionMode
  readonly conversations?: "soft" | "hard"
  readonly new_channel_owner_id?: string
  /** How far it has come. */
  readonly userIndex?: number
  readonly productIndex?: number
  readonly done?: number
}

/** The task behind DeleteUsers: one bounded step of one product for one user at a time. */
export function createDeletionHandler(products: readonly DeleteContent[]): TaskHandler {
  return async (tx, { appId, payload, now }): Promise<StepResult> => {
    const state = payload as Payload
    const { userIndex = 0, productIndex = 0, done = 0 } = state
    const userId = state.userIds[userIndex]
    if (userId === undefined) return { result: { deleted_users: done } }
    const product = products[productIndex]
    if (product !== undefined) {
      const finished = await product(tx, appId, userId, {
        mode: state.mode,
        messages: state.messages,
        conversations: state.conversations,
        newChannelOwnerId: state.new_channel_owner_id,
        now,
      })
      return { next: { ...state, productIndex: finished ? productIndex + 1 : productIndex } }
    }
    return { next: { ...state, userIndex: userIndex + 1, productIndex: 0, done: done + 1 } }
  }
}

/** Hides, or brings back, a bounded part of a user's messages; answers whether nothing is left to do. */
export type SweepContent = (tx: Tx, appId: number, userId: string, now: number) => Promise<boolean>

interface SweepPayload {
  readonly userId: string
  readonly sweep: "hide" | "restore"
}

/** The task behind `mark_messages_deleted` of DeactivateUser and `restore_messages` of ReactivateUser. */
export function createSweepHandler(sweeps: Readonly<Record<SweepPayload["sweep"], SweepContent>>): TaskHandler {
  return async (tx, { appId, payload, now }): Promise<StepResult> => {
    const state = payload as SweepPayload
    return (await sweeps[state.sweep](tx, appId, state.userId, now)) ? { result: {} } : { next: state }
  }
}
