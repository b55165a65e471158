// Grants: which role may do what in which scope. Additive, with no deny rules: what is not granted is refused
// (contract/auth.md §6.1). A grant id is an action id, optionally followed by `-owner` (only things the user owns)
// and `-any-team` (also across teams; contract/auth.md §6.4).

/** Role to grant ids, as data. */
export type GrantTable = Readonly<Record<string, readonly string[]>>

/** A grant table made ready for look-ups; build it once per scope, not per check. */
export interface CompiledGrants {
  readonly byRole: ReadonlyMap<string, ReadonlySet<string>>
}

export const compileGrants = (table: GrantTable): CompiledGrants => ({
  byRole: new Map(Object.entries(table).map(([role, grants]) => [role, new Set(grants)])),
})

export const isGranted = (grants: CompiledGrants, role: string, grantId: string): boolean =>
  grants.byRole.get(role)?.has(grantId) ?? false

/** The roles of a table that hold a grant; for lists, where one query answers for many resources. */
export const rolesWith = (grants: CompiledGrants, grantId: string): string[] =>
  [...grants.byRole].filter(([, held]) => held.has(grantId)).map(([role]) => role)
