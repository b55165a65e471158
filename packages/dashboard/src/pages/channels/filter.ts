// What the page of channels asks for. Pure.

import { nameOf } from "../explorer/open-by-name.tsx"

/** The filter of QueryChannels. A text in the form of a cid finds that channel alone. */
export function channelFilter(sought: string, type: string, member: string): Record<string, unknown> {
  const named =
    sought === "" ? {} : nameOf(sought) === null ? { "custom.name": { $autocomplete: sought } } : { cid: sought }
  return {
    ...named,
    ...(type === "" ? {} : { type }),
    ...(member === "" ? {} : { members: { $in: [member] } }),
  }
}
