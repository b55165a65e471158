// Every place in the database where sealed values lie. Whoever changes the master key goes through this list, so a
// column that is not in it would become unreadable; sealed.test.ts looks through the whole schema for such a column.

import { sealContext } from "./base/crypto.ts"
import { type SealedPlace, sealedSecrets } from "./core/keys/index.ts"
import { sealedOperatorPlaces } from "./core/operators/index.ts"

export const sealedPlaces: readonly SealedPlace[] = [
  sealedSecrets,
  ...sealedOperatorPlaces,
  {
    table: "deployment_keys",
    key: ["key_id"],
    sealed: "sealed",
    also: ["purpose"],
    context: ({ purpose, key_id }) => sealContext("deployment-key", String(purpose), String(key_id)),
  },
  {
    table: "webhook_hooks",
    key: ["id"],
    sealed: "sealed_target",
    also: ["app_id"],
    context: ({ app_id, id }) => sealContext("webhook-target", Number(app_id), String(id)),
  },
  {
    table: "webhook_secrets",
    key: ["hook_id", "id"],
    sealed: "sealed",
    also: ["app_id"],
    context: ({ app_id, hook_id, id }) => sealContext("webhook-secret", Number(app_id), String(hook_id), String(id)),
  },
]
