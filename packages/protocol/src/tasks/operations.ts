// Tasks: work that goes on behind the answer (contract/README.md, «Tasks»).

import { Type } from "typebox"
import { operation } from "../operation.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"

export const getTask = operation({
  name: "GetTask",
  method: "GET",
  path: "/api/v2/tasks/{id}",
  tag: "common",
  summary: "How far a task has come; `completed` and `failed` are its ends.",
  access: ["server"],
  params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) }),
  query: Empty,
  body: null,
  output: Answer({
    task_id: Type.String(),
    status: Type.Union([
      Type.Literal("pending"),
      Type.Literal("running"),
      Type.Literal("completed"),
      Type.Literal("failed"),
    ]),
    created_at: Timestamp,
    updated_at: Timestamp,
    result: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    error: Type.Optional(Type.Object({ type: Type.String(), description: Type.String() })),
  }),
  status: 200,
  errors: ["notFound"],
})
