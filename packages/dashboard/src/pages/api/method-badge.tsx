import { Badge } from "@mantine/core"

const colors: Readonly<Record<string, string>> = {
  GET: "teal",
  POST: "cyan",
  PUT: "yellow",
  PATCH: "yellow",
  DELETE: "red",
}

export const MethodBadge = ({ method }: { method: string }) => (
  <Badge variant="light" color={colors[method] ?? "gray"} w={76} radius="sm">
    {method}
  </Badge>
)
