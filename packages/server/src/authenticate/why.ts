import type { Why } from "@weir/protocol"

/** Why somebody was refused, in the order in which it is read: the check, its rule, what was found, what would help. */
export const why = (check: string, rule: string, detail: string, remedy: string, facts?: Why["facts"]): Why => ({
  check,
  rule,
  detail,
  remedy,
  ...(facts === undefined ? {} : { facts }),
})
