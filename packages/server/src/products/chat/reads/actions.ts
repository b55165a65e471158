import type { Action } from "../../../authorize/decide.ts"

/** Whoever reads a channel may say how far, so no grant names it; the scopes of a token do. */
export const markRead: Action = { id: "mark-read", name: "MarkRead", level: "write" }
