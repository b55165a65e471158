import type { Action } from "../../authorize/decide.ts"

/** Tasks are started by server calls and read by them: no role has this. */
export const readTask: Action = { id: "read-task", name: "GetTask", level: "read" }
