import type { Ban, Bans } from "@weir/protocol"

const stands = ({ expiresAt }: Ban, nowMs: number): boolean => expiresAt === null || expiresAt > nowMs

/** Those bans that have not run out, whether or not anybody has cleared the others away; null when none is left. */
export function standingBans(bans: Bans | null, nowMs: number): Bans | null {
  if (bans === null) return null
  const app = bans.app !== null && stands(bans.app, nowMs) ? bans.app : null
  const channels = Object.entries(bans.channels).filter(([, ban]) => stands(ban, nowMs))
  return app === null && channels.length === 0 ? null : { app, channels: Object.fromEntries(channels) }
}
