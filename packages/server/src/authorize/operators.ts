// What an operator's role allows. The table is data; the checks are pure functions of principal, operation and input.

import {
  ApiError,
  type Operation,
  type OperatorAction,
  type OperatorInput,
  type OperatorPrincipal,
  type OperatorRole,
  operatorActions,
  operatorRoles,
} from "@weir/protocol"

/** A login, or its renewal by password, code or passkey, counts as fresh for so long. */
export const freshLoginMs = 5 * 60_000

const hidden: ReadonlySet<OperatorAction> = new Set(["content.read", "audit.read"])
const viewer = operatorActions.filter((action) => action.endsWith(".read") && !hidden.has(action))

/** Role → what it may. */
export const roleActions: Readonly<Record<OperatorRole, readonly OperatorAction[]>> = {
  owner: operatorActions,
  // As the owner; whom a role may make or remove is asked besides, by mayManage.
  admin: operatorActions,
  developer: inOrder([
    ...viewer,
    "content.read",
    "content.manage",
    "keys.manage",
    "tokens.mint",
    "tokens.inspect",
    "hooks.manage",
    "audit.read",
  ]),
  support: inOrder([...viewer, "content.read", "users.revoke", "decisions.read", "tokens.inspect"]),
  viewer,
}

const held: Readonly<Record<OperatorRole, ReadonlySet<OperatorAction>>> = {
  owner: new Set(roleActions.owner),
  admin: new Set(roleActions.admin),
  developer: new Set(roleActions.developer),
  support: new Set(roleActions.support),
  viewer: new Set(roleActions.viewer),
}

/** Whether a role holds an action. */
export const roleMay = (role: OperatorRole, action: OperatorAction): boolean => held[role].has(action)

/** Whether somebody of this role may make, change or remove an operator of that one: nobody but owners touches owners. */
export const mayManage = (role: OperatorRole, other: OperatorRole): boolean =>
  roleMay(role, "team.manage") && (role === "owner" || other !== "owner")

/** What an operation asks of operators. */
export type OperatorDemand = Pick<Operation, "name" | "needs" | "needsAlso" | "stepUp">

/** Throws notAllowed when the operator's role does not hold what the operation needs whatever its input is. */
export function requireRole(principal: OperatorPrincipal, { name, needs }: OperatorDemand): void {
  if (needs === undefined) throw new Error(`operation ${name} does not say what it needs`)
  requireAction(principal, name, needs)
}

/** Throws notAllowed when the operator's role does not hold all that the operation needs with this input. */
export function requireActions(principal: OperatorPrincipal, operation: OperatorDemand, input: OperatorInput): void {
  requireRole(principal, operation)
  const more = operation.needsAlso?.(input) ?? null
  if (more !== null) requireAction(principal, operation.name, more)
}

/** Throws notAllowed when this input needs more than the role holds, or a login that is fresher than it is. */
export function requireForInput(
  principal: OperatorPrincipal,
  operation: OperatorDemand,
  input: OperatorInput,
  nowMs: number,
): void {
  requireActions(principal, operation, input)
  const { stepUp } = operation
  if (stepUp === true || stepUp?.(input) === true) requireFresh(principal, nowMs)
}

/** Throws notAllowed, marked `step_up: "required"`, when the operator has not proved of late who they are. */
export function requireFresh(principal: OperatorPrincipal, nowMs: number): void {
  if (principal.sessionId === null) return
  const { verifiedAtMs } = principal
  if (verifiedAtMs !== null && nowMs - verifiedAtMs < freshLoginMs) return
  throw new ApiError("notAllowed", "this needs a fresh login: confirm that it is you, then try again", {
    fields: { step_up: "required" },
    why: {
      check: "operator",
      rule: "step-up",
      detail: `the login of ${principal.name} is older than ${freshLoginMs / 60_000} minutes`,
      remedy: "confirm with password, code or passkey",
    },
  })
}

function requireAction(principal: OperatorPrincipal, operation: string, action: OperatorAction): void {
  if (roleMay(principal.role, action)) return
  const holders = operatorRoles.filter((role) => roleMay(role, action))
  throw new ApiError("notAllowed", `your role, ${principal.role}, does not allow ${action}`, {
    fields: { needs: action },
    why: {
      check: "operator",
      rule: action,
      detail: `${operation} needs ${action}, and ${principal.name} is ${principal.role}`,
      remedy: `ask somebody who is ${holders.join(", ")}, or have your role changed to one of them`,
    },
  })
}

function inOrder(actions: readonly OperatorAction[]): OperatorAction[] {
  return operatorActions.filter((action) => actions.includes(action))
}
