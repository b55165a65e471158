// The audit log: what operators did, and what happened to the security of an app. Append-only and hash-chained.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"

const Members = OrNull(Type.Record(Type.String(), Type.Unknown()))

export const AuditRow = Type.Object({
  /** Place in the chain of the deployment, from 1. */
  seq: Type.Integer(),
  at: Timestamp,
  app_id: OrNull(Type.Integer()),
  /** `noun.verb`. */
  action: Type.String(),
  actor: Type.String(),
  address: OrNull(Type.String()),
  target: Members,
  before: Members,
  after: Members,
  /** SHA-256 in hex over the canonical JSON (RFC 8785) of all other members, `prev_hash` among them. */
  hash: Type.String(),
  /** Of the row before; empty in the first. */
  prev_hash: Type.String(),
})

const page = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  /** From the answer before. */
  next: Type.Optional(Type.String({ pattern: "^\\d{1,16}$" })),
})
const output = Answer({ entries: Type.Array(AuditRow), next: OrNull(Type.String()) })

export const listAppAudit = operation({
  name: "ListAppAudit",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/audit",
  tag: "admin",
  summary: "The audit log of an app, newest first.",
  access: ["operator"],
  needs: "audit.read",
  params: AppPath,
  query: page,
  body: null,
  output,
  status: 200,
  errors: ["notFound"],
})

export const listAudit = operation({
  name: "ListAudit",
  method: "GET",
  path: "/api/admin/v1/audit",
  tag: "admin",
  summary: "The whole audit log, newest first; in the order of the chain it is whole and can be verified.",
  access: ["operator"],
  needs: "audit.read",
  params: Empty,
  query: page,
  body: null,
  output,
  status: 200,
  errors: [],
})

export const exportAudit = operation({
  name: "ExportAudit",
  method: "GET",
  path: "/api/admin/v1/audit/export",
  tag: "admin",
  summary: "The audit log as JSON Lines in the order of the chain, for `weir audit verify <file>` and other programs.",
  access: ["operator"],
  needs: "audit.export",
  stepUp: true,
  params: Empty,
  query: Type.Object({
    /** Only rows after this one, for an export that goes on where another ended. */
    after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    /** Only rows of this app. They are no whole chain any more, so only the whole can be verified. */
    app: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  }),
  body: null,
  output: AuditRow,
  contentType: "application/x-ndjson",
  status: 200,
  errors: [],
})

export const verifyAudit = operation({
  name: "VerifyAudit",
  method: "GET",
  path: "/api/admin/v1/audit/verify",
  tag: "admin",
  summary: "Walks the chain and names the first row that was changed, moved, put in or taken out.",
  access: ["operator"],
  needs: "audit.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({
    whole: Type.Boolean(),
    rows: Type.Integer(),
    /** The newest row: note it elsewhere, and a chain that was written anew as a whole is found too. */
    head: OrNull(Type.Object({ seq: Type.Integer(), hash: Type.String() })),
    fault: OrNull(Type.Object({ seq: Type.Integer(), what: Type.String() })),
  }),
  status: 200,
  errors: [],
})
