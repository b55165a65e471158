import { notFoundError, tasks as operations } from "@weir/protocol"
import { allowed } from "../../authorize/decide.ts"
import { type Route, route } from "../../request/route.ts"
import { taskResponse } from "./rules.ts"
import { selectTask } from "./store.ts"

export const taskRoutes = (): Route[] => [
  route(operations.getTask, {
    authorize: () => allowed,
    async handle({ appId, input, read }) {
      const task = await selectTask(read, appId, input.path.id)
      if (task === undefined) throw notFoundError("task", input.path.id)
      return taskResponse(task)
    },
  }),
]
