// API keys of an app and the secrets of each, as the management API shows them. A key is public and outlives its
// secrets; a secret is shown once, when it is made, and never again.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"

const labelCharsMax = 100
const kidCharsMax = 64
const importedSecretCharsMax = 512
const publicKeyCharsMax = 4096
const jwkMemberCharsMax = 64
const Label = Type.String({ maxLength: labelCharsMax })
const Kid = Type.String({ minLength: 1, maxLength: kidCharsMax, pattern: "^[\\w.-]+$" })
const Algorithm = Type.Union([Type.Literal("HS256"), Type.Literal("ES256"), Type.Literal("EdDSA")])

/** `active` and `retiring` verify tokens, `standby` and `revoked` do not; `revoked` is for good. */
export const SecretState = Type.Union([
  Type.Literal("standby"),
  Type.Literal("active"),
  Type.Literal("retiring"),
  Type.Literal("revoked"),
])

export const SecretResponse = Type.Object({
  kid: Type.String(),
  state: SecretState,
  alg: Algorithm,
  label: Label,
  /** It came from elsewhere. */
  imported: Type.Boolean(),
  created_by: Type.String(),
  created_at: Timestamp,
  state_since: Timestamp,
  last_used_at: OrNull(Timestamp),
  last_client: OrNull(Type.String()),
  last_address: OrNull(Type.String()),
  /** Counted over the last 30 days. */
  usage: Type.Object({
    tokens: Type.Integer(),
    users: Type.Integer(),
    /** The latest first. */
    clients: Type.Array(Type.String()),
    /** Those with most tokens, which come first; what is missing to `tokens` came from others. */
    by_client: Type.Array(
      Type.Object({
        /** As it called itself; null: it did not. */
        client: OrNull(Type.String()),
        tokens: Type.Integer(),
        /** None of what backends did as the app itself. */
        users: Type.Integer(),
        last_seen_at: Timestamp,
      }),
    ),
  }),
})

export const KeyResponse = Type.Object({
  api_key: Type.String(),
  label: Label,
  disabled: Type.Boolean(),
  created_at: Timestamp,
  secrets: Type.Array(SecretResponse),
})

const KeyPath = Type.Object({ ...AppPath.properties, api_key: Type.String({ pattern: "^[a-z0-9]{12}$" }) })
const SecretPath = Type.Object({ ...KeyPath.properties, kid: Kid })

export const listKeys = operation({
  name: "ListKeys",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/keys",
  tag: "admin",
  summary: "The API keys of an app and the state and use of their secrets.",
  access: ["operator"],
  needs: "keys.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({ keys: Type.Array(KeyResponse) }),
  status: 200,
  errors: ["notFound"],
})

export const getKey = operation({
  name: "GetKey",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/keys/{api_key}",
  tag: "admin",
  summary: "One API key of an app and the state and use of its secrets.",
  access: ["operator"],
  needs: "keys.read",
  params: KeyPath,
  query: Empty,
  body: null,
  output: Answer({ key: KeyResponse }),
  status: 200,
  errors: ["notFound"],
})

export const createKey = operation({
  name: "CreateKey",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/keys",
  tag: "admin",
  summary: "Makes another key for an app; the secret is shown this once.",
  access: ["operator"],
  needs: "secrets.manage",
  stepUp: true,
  params: AppPath,
  query: Empty,
  body: Type.Object({ label: Type.Optional(Label) }),
  output: Answer({ key: KeyResponse, secret: Type.String() }),
  status: 201,
  errors: ["notFound"],
})

export const updateKey = operation({
  name: "UpdateKey",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}/keys/{api_key}",
  tag: "admin",
  summary: "Renames a key, switches it off or on again.",
  access: ["operator"],
  needs: "keys.manage",
  stepUp: ({ body }) => (body as { disabled?: boolean }).disabled === true,
  params: KeyPath,
  query: Empty,
  body: Type.Object({ label: Type.Optional(Label), disabled: Type.Optional(Type.Boolean()) }),
  output: Answer({ key: KeyResponse }),
  status: 200,
  errors: ["notFound"],
})

export const createSecret = operation({
  name: "CreateSecret",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/keys/{api_key}/secrets",
  tag: "admin",
  summary: "Adds a secret to a key: made here and shown this once, imported, or the public half of a pair.",
  access: ["operator"],
  needs: "secrets.manage",
  stepUp: true,
  params: KeyPath,
  query: Empty,
  body: Type.Object({
    label: Type.Optional(Label),
    /** HS256 unless given. */
    alg: Type.Optional(Algorithm),
    /** Unless given: `active` where no secret of the key verifies, else `standby`. */
    state: Type.Optional(Type.Union([Type.Literal("standby"), Type.Literal("active")])),
    /** HS256: a secret that is in use elsewhere, of 32 bytes or more. It is not shown again. */
    value: Type.Optional(Type.String({ maxLength: importedSecretCharsMax })),
    /** A name for the secret that tokens may carry, the only one in the app; made unless given. */
    kid: Type.Optional(Kid),
    /** HS256: made with the prefix `weir_sk_` and a checksum, which secret scanners recognise. */
    prefixed: Type.Optional(Type.Boolean()),
    /** ES256, EdDSA: SPKI in PEM, or a JWK. Without it a pair is made and its private half shown this once. */
    public_key: Type.Optional(
      Type.Union([
        Type.String({ maxLength: publicKeyCharsMax }),
        Type.Record(Type.String({ maxLength: jwkMemberCharsMax }), Type.Unknown()),
      ]),
    ),
  }),
  output: Answer({
    secret: SecretResponse,
    /** The secret, or the private half in PEM (PKCS #8); null for what came from outside. */
    value: OrNull(Type.String()),
    /** Other keys of the app that have the same secret, where it came from outside: each takes tokens of the others. */
    shared_with: Type.Array(Type.String()),
  }),
  status: 201,
  errors: ["notFound"],
})

export const updateSecret = operation({
  name: "UpdateSecret",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}/keys/{api_key}/secrets/{kid}",
  tag: "admin",
  summary: "Moves a secret through its states, or tells what that would do.",
  access: ["operator"],
  needs: "secrets.manage",
  stepUp: ({ query, body }) =>
    (query as { dry_run?: boolean }).dry_run !== true && (body as { state?: string }).state === "revoked",
  params: SecretPath,
  query: Type.Object({
    /** Counts who would be cut off, and changes nothing. */
    dry_run: Type.Optional(Type.Boolean()),
    /** Revokes a secret that is in use, or the last that verifies. */
    force: Type.Optional(Type.Boolean()),
  }),
  body: Type.Object({ state: Type.Optional(SecretState), label: Type.Optional(Label) }),
  output: Answer({
    secret: SecretResponse,
    /** What the change ends, or would end: tokens and users that were seen and have not expired. */
    cut_off: Type.Object({
      tokens: Type.Integer(),
      users: Type.Integer(),
      /** No use for longer than the longest token lives. */
      safe: Type.Boolean(),
      because: Type.String(),
    }),
    /** Of a revocation: when it held on which node. */
    receipt: OrNull(Type.Unknown()),
  }),
  status: 200,
  errors: ["notFound"],
})
