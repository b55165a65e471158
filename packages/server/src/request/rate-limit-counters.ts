// The numbers of this process. Each app has its own, so that no app can push out another's: those of its operations in
// an array, those of users and addresses in maps that forget what was not used for longest. A new window starts with
// empty ones, so nothing has to be looked through to be forgotten.

import { rateLimitWindowSeconds } from "@weir/protocol"
import { createLru, type Lru } from "../base/lru.ts"
import type { LimitOverrides, OperationRules } from "./rate-limit.ts"
import { bounds } from "./rate-limit-bounds.ts"
import type { Sharing } from "./rate-limit-shared.ts"

/** One limit's count in the present window. */
export interface Counter {
  /** Requests that were let in, on all nodes as far as this one knows. */
  taken: number
  /** Those that this node let in. */
  own: number
  /** Those of them that the other nodes do not know of yet. */
  unsent: number
  readonly limit: number
  /** So many unsent ones do not wait for their time; fewer when less is left. */
  earlyCount: number
  /** Name among the shared counters of the window; null: it is counted here alone. */
  readonly field: string | null
}

export interface AppCounters {
  readonly appId: number
  /** Number of the window since 1970. */
  windowId: number
  /** Milliseconds. */
  endMs: number
  /** Unix seconds: the same moment. */
  resetSeconds: number
  /** The app's own limits; null: they were never read. */
  overrides: LimitOverrides | null
  /** How often they were changed through this node. */
  changeCount: number
  /** By the operation's index, made when they are first asked for. */
  rules: (OperationRules | undefined)[]
  /** When the overrides were asked for last. */
  rulesAtMs: number
  /** By slot. */
  app: (Counter | undefined)[]
  users: Lru<Counter>
  addresses: Lru<Counter>
  /** Counters with something unsent. */
  dirty: Counter[]
  sharedCount: number
}

export interface Counters {
  /** The counters of an app in the window of this moment. */
  of(appId: number, nowMs: number): AppCounters
  /** As they are, whatever their window; undefined: nobody of the app was counted lately. */
  known(appId: number): AppCounters | undefined
  /** The counter of a slot (operation and platform). `limit` is what it is counted against. */
  ofApp(app: AppCounters, slot: number, limit: number): Counter
  ofUser(app: AppCounters, slot: number, userId: string, limit: number): Counter
  ofAddress(app: AppCounters, slot: number, network: string, limit: number): Counter
  /** Counts one request. */
  add(app: AppCounters, counter: Counter): void
}

const windowMs = rateLimitWindowSeconds * 1000

/** How many requests may go unsent while so many are left. */
export const earlyCountOf = (leftCount: number): number => Math.max(1, Math.ceil(leftCount * bounds.shareEarlyPart))

/**
 * `labelOf` names a slot for the other nodes, which may be of another version: by operation and platform. Whatever
 * `sharing` is null for, is counted here alone.
 */
export function createCounters(sharing: Sharing | null, labelOf: (slot: number) => string): Counters {
  const apps = new Map<number, AppCounters>()
  /** Counters that can be made before all have to be counted again. */
  let roomCount: number = bounds.countersPerNodeMax

  const create = (appId: number, nowMs: number): AppCounters => {
    if (apps.size >= bounds.appsPerNodeMax) makeRoomForApp(nowMs)
    const app: AppCounters = {
      appId,
      windowId: 0,
      endMs: 0,
      resetSeconds: 0,
      overrides: null,
      changeCount: 0,
      rules: [],
      rulesAtMs: Number.NEGATIVE_INFINITY,
      app: [],
      users: createLru<Counter>(bounds.userCountersPerAppMax),
      addresses: createLru<Counter>(bounds.addressCountersPerAppMax),
      dirty: [],
      sharedCount: 0,
    }
    apps.set(appId, app)
    begin(app, nowMs)
    return app
  }
  const begin = (app: AppCounters, nowMs: number): void => {
    // Windows of different apps end at different seconds, so that not all clients come back in the same one.
    const offsetMs = (app.appId % rateLimitWindowSeconds) * 1000
    app.windowId = Math.floor((nowMs - offsetMs) / windowMs)
    app.endMs = (app.windowId + 1) * windowMs + offsetMs
    app.resetSeconds = app.endMs / 1000
    app.app = []
    app.users.clear()
    app.addresses.clear()
    app.dirty = []
    app.sharedCount = 0
  }
  const makeRoomForApp = (nowMs: number): void => {
    for (const app of apps.values()) if (app.endMs <= nowMs) remove(app)
    const [first] = apps.values()
    if (apps.size >= bounds.appsPerNodeMax && first !== undefined) remove(first)
  }
  const remove = (app: AppCounters): void => {
    apps.delete(app.appId)
    sharing?.forget(app)
  }

  /** Whoever holds most gives all of it, so that a flood through one app costs no other app its counters. */
  const makeRoom = (): void => {
    let held = 0
    let largest: AppCounters | null = null
    let mostHeld = 0
    for (const app of apps.values()) {
      const size = app.users.size + app.addresses.size
      held += size
      if (size > mostHeld) {
        mostHeld = size
        largest = app
      }
    }
    if (held >= bounds.countersPerNodeMax && largest !== null) {
      largest.users.clear()
      largest.addresses.clear()
      held -= mostHeld
    }
    roomCount = bounds.countersPerNodeMax - held
  }

  const make = (app: AppCounters, slot: number, limit: number, whose: string): Counter => {
    const isShared = sharing !== null && app.sharedCount < bounds.sharedPerAppMax
    if (isShared) app.sharedCount += 1
    const field = isShared ? `${labelOf(slot)} ${whose}` : null
    return { taken: 0, own: 0, unsent: 0, limit, earlyCount: earlyCountOf(limit), field }
  }
  const keyed = (app: AppCounters, slot: number, of: Lru<Counter>, id: string, kind: string, limit: number) => {
    const key = `${slot} ${id}`
    const known = of.get(key)
    if (known !== undefined) return known
    if (roomCount <= 0) makeRoom()
    roomCount -= 1
    const counter = make(app, slot, limit, `${kind} ${id}`)
    of.set(key, counter)
    return counter
  }

  return {
    of(appId, nowMs) {
      const app = apps.get(appId)
      if (app === undefined) return create(appId, nowMs)
      // A clock that was set back by more than a window must not leave the counters full until it catches up.
      if (nowMs >= app.endMs || nowMs < app.endMs - 2 * windowMs) begin(app, nowMs)
      return app
    },
    known: (appId) => apps.get(appId),
    ofApp(app, slot, limit) {
      const known = app.app[slot]
      if (known !== undefined) return known
      const counter = make(app, slot, limit, "app")
      app.app[slot] = counter
      return counter
    },
    ofUser: (app, slot, userId, limit) => keyed(app, slot, app.users, userId, "user", limit),
    ofAddress: (app, slot, network, limit) => keyed(app, slot, app.addresses, network, "address", limit),
    add(app, counter) {
      counter.taken += 1
      if (sharing === null) return
      counter.own += 1
      if (counter.field === null) return
      counter.unsent += 1
      if (counter.unsent === 1) {
        app.dirty.push(counter)
        sharing.wants(app)
      }
      if (counter.unsent >= counter.earlyCount) sharing.soon()
    },
  }
}
