// The demo's two users, what their tokens reach, and to whom the demo is open. Pure.

import type { Scopes } from "@weir/protocol"
import { isLoopback } from "../../request/address.ts"
import { isLoopbackHost, isOwnOrigin } from "../../request/own-page.ts"
import { limits } from "./limits.ts"

/** The only users whom the demo gives tokens for, or ends tokens of. */
export const demoUsers = [
  { id: "demo-user-1", name: "User one" },
  { id: "demo-user-2", name: "User two" },
] as const
export type DemoUserId = (typeof demoUsers)[number]["id"]

export const isDemoUser = (id: unknown): id is DemoUserId => demoUsers.some((user) => user.id === id)

/** `full`: the user's own. `short`: the same for a few seconds. `narrow`: may look at the demo and change nothing. */
export const tokenKinds = ["full", "short", "narrow"] as const
export type DemoTokenKind = (typeof tokenKinds)[number]

export const isTokenKind = (kind: unknown): kind is DemoTokenKind => tokenKinds.some((known) => known === kind)

/** Where everything of the demo happens. Calls begin with `callPrefix`, because one that has ended stays ended. */
export const demoPlaces = {
  channelType: "messaging",
  channelId: "weir-demo",
  callType: "default",
  callPrefix: "weir-demo-",
}

/**
 * What a token of the demo is narrowed to; null: nothing, because only whoever has the user's whole token hears what is
 * meant for the user, such as a ring.
 */
export function scopesOf(userId: DemoUserId, kind: DemoTokenKind): Scopes | null {
  if (kind !== "narrow") return null
  const { channelType, channelId, callType, callPrefix } = demoPlaces
  const read = ["read"]
  return {
    [`chat:${channelType}:${channelId}`]: read,
    [`video:${callType}:${callPrefix}*`]: read,
    [`feeds:timeline:${userId}`]: read,
    ...Object.fromEntries(
      demoUsers.flatMap(({ id }) => [`feeds:user:${id}`, `app:user:${id}`].map((name) => [name, read])),
    ),
  }
}

/** Seconds that a token lives under a policy; `maxLifetimeSeconds` null: no bound. */
export const lifetimeOf = (kind: DemoTokenKind, maxLifetimeSeconds: number | null): number =>
  Math.min(
    kind === "short" ? limits.shortTokenSeconds : limits.tokenSeconds,
    maxLifetimeSeconds ?? Number.POSITIVE_INFINITY,
  )

/** Who may open the demo, by the setting: everybody, nobody, or who sits at this machine. */
export type DemoAccess = "on" | "off" | "local"

/** The caller's end of a request. */
export interface DemoCaller {
  /** Of the connection itself, whatever headers say. */
  readonly address: string
  readonly headers: Headers
}

const proxyHeaders = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via"]

/**
 * Whether the request comes from this machine: by its connection, through no proxy that says so, and to a name of this
 * machine, so that no foreign page whose name was pointed here (DNS rebinding) counts.
 */
export const isLocalCaller = ({ address, headers }: DemoCaller): boolean =>
  isLoopback(address) && !proxyHeaders.some((name) => headers.has(name)) && isLocalHost(headers.get("host") ?? "")

const isLocalHost = (host: string): boolean =>
  URL.canParse(`http://${host}`) && isLoopbackHost(new URL(`http://${host}`).hostname)

/**
 * Whether a page of this server sent the request: the browser says so (Fetch Metadata), or its Origin is the address
 * that the request went to.
 */
export function isSameOrigin(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site")
  if (site !== null) return site === "same-origin"
  const origin = headers.get("origin")
  return origin !== null && isOwnOrigin(origin, headers.get("host"), null)
}

/** What the demo needs to know of the first app. Null: there is none, or no key. */
export interface DemoApp {
  readonly environment: string
  readonly suspended: boolean
  /** The key is on, and has a secret that this server can sign with. */
  readonly canSign: boolean
  readonly allowsUserTokens: boolean
}

export interface Off {
  /** What happened, and what to do about it: one sentence each. */
  readonly why: string
  readonly remedy: string
}

/** Why the demo is off for this caller, or null: it is on. */
export function whyOff(access: DemoAccess, caller: DemoCaller, app: DemoApp | null): Off | null {
  if (access === "off") {
    return { why: "The settings of this server switch the demo off.", remedy: "Start it without WEIR_DEMO=off." }
  }
  if (access === "local" && !isLocalCaller(caller)) {
    return {
      why: "The demo is open only to browsers on the machine that runs the server.",
      remedy: "Open it there by http://localhost, or start the server with WEIR_DEMO=on.",
    }
  }
  if (app === null) {
    return { why: "The first app of this server has no API key.", remedy: "Give it one in the dashboard." }
  }
  if (app.environment !== "development") {
    return {
      why: "The first app of this server is in production, and the demo stays out of production apps.",
      remedy: "Start a server of your own with a fresh data folder to try the demo.",
    }
  }
  if (app.suspended) {
    return { why: "The first app of this server is suspended.", remedy: "Let it in again in the dashboard." }
  }
  if (!app.canSign) {
    return {
      why: "The demo signs its tokens with the first key of the app, which is off or has no active HS256 secret.",
      remedy: "Switch the key on, or add an active HS256 secret to it.",
    }
  }
  if (!app.allowsUserTokens) {
    return {
      why: "The token policy of the first app allows no tokens for users.",
      remedy: "Allow the kind user in the app's token policy.",
    }
  }
  return null
}
