import { notFoundError, tasks as operations } from "@weir/protocol"
import { can } from "../../authorize/decide.ts"
import { type Route, route } from "../../request/route.ts"
import { appResource } from "../apps/index.ts"
import { readTask } from "./actions.ts"
import { taskResponse } from "./rules.ts"
import { selectTask } from "./store.ts"

export const taskRoutes = (): Route[] => [
  route(operations.getTask, {
    authorize: ({ principal, appId }) => can(principal, readTask, appResource(appId)),
    async handle({ appId, input, read }) {
      const task = await selectTask(read, appId, input.path.id)
      if (task === undefined) throw notFoundError("task", input.path.id)
      return taskResponse(task)
    },
  }),
]
