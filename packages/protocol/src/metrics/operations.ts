// Numbers for monitoring, in the form that Prometheus reads.

import { Type } from "typebox"
import { operation } from "../operation.ts"
import { Empty } from "../schemas.ts"

export const getMetrics = operation({
  name: "GetMetrics",
  method: "GET",
  path: "/api/admin/v1/metrics",
  tag: "admin",
  summary: "Numbers of the node that answers and of the whole deployment, for Prometheus.",
  access: ["operator"],
  needs: "traffic.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Type.String({ description: "Text exposition format 0.0.4" }),
  contentType: "text/plain; version=0.0.4",
  status: 200,
  errors: [],
})
