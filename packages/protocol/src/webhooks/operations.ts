// Hooks and the secrets that their deliveries are signed with, in the management API; and the wire's tests of queues.
// The hooks that backends set for themselves stand in UpdateApp (apps/operations.ts).

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { hookIdPattern } from "../ids.ts"
import { type OperatorInput, operation } from "../operation.ts"
import { Answer, Empty } from "../schemas.ts"
import {
  AppHookSettings,
  HookInput,
  HookSecretInput,
  HookSecretView,
  ManagedHook,
  NewHookSecret,
  QueueCheck,
} from "./schemas.ts"

export const HookPath = Type.Object({ ...AppPath.properties, hook: Type.String({ pattern: hookIdPattern }) })
/** Whether a change says where a hook's deliveries go: all events of the app go there from then on. */
const leadsElsewhere = ({ body }: OperatorInput): boolean =>
  Object.keys(body as object).some((name) => /^(?:webhook|sqs|sns|redis|nats)_/.test(name))
const SecretPath = Type.Object({ ...HookPath.properties, secret: Type.String({ pattern: "^[a-z0-9]{1,32}$" }) })

export const listHooks = operation({
  name: "ListHooks",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/hooks",
  tag: "admin",
  summary: "The hooks of an app, whichever setting made them, and how they fare.",
  access: ["operator"],
  needs: "hooks.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({ hooks: Type.Array(ManagedHook) }),
  status: 200,
  errors: ["notFound"],
})

export const createHook = operation({
  name: "CreateHook",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/hooks",
  tag: "admin",
  summary: "Makes a hook with a secret of each kind, which are shown this once.",
  access: ["operator"],
  needs: "hooks.manage",
  stepUp: true,
  params: AppPath,
  query: Empty,
  body: HookInput,
  output: Answer({ hook: ManagedHook, secrets: Type.Array(NewHookSecret) }),
  status: 201,
  errors: ["notFound"],
})

export const readHook = operation({
  name: "ReadHook",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}",
  tag: "admin",
  summary: "One hook and how it fares.",
  access: ["operator"],
  needs: "hooks.read",
  params: HookPath,
  query: Empty,
  body: null,
  output: Answer({ hook: ManagedHook }),
  status: 200,
  errors: ["notFound"],
})

export const updateHook = operation({
  name: "UpdateHook",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}",
  tag: "admin",
  summary: "Changes what is given of a hook, switches it off or on again.",
  access: ["operator"],
  needs: "hooks.manage",
  stepUp: leadsElsewhere,
  params: HookPath,
  query: Empty,
  body: HookInput,
  output: Answer({ hook: ManagedHook }),
  status: 200,
  errors: ["notFound"],
})

export const deleteHook = operation({
  name: "DeleteHook",
  method: "DELETE",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}",
  tag: "admin",
  summary: "Removes a hook with its secrets; what waits for it is not delivered any more.",
  access: ["operator"],
  needs: "hooks.manage",
  params: HookPath,
  query: Empty,
  body: null,
  output: Answer({}),
  status: 200,
  errors: ["notFound"],
})

export const listHookSecrets = operation({
  name: "ListHookSecrets",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}/secrets",
  tag: "admin",
  summary: "What the deliveries of a hook are signed with, newest first, without the secrets themselves.",
  access: ["operator"],
  needs: "hooks.read",
  params: HookPath,
  query: Empty,
  body: null,
  output: Answer({ secrets: Type.Array(HookSecretView) }),
  status: 200,
  errors: ["notFound"],
})

export const createHookSecret = operation({
  name: "CreateHookSecret",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}/secrets",
  tag: "admin",
  summary: "Adds a secret, shown this once; older ones of its kind sign beside it until the overlap is over.",
  access: ["operator"],
  needs: "hooks.manage",
  stepUp: true,
  params: HookPath,
  query: Empty,
  body: HookSecretInput,
  output: Answer({ secret: NewHookSecret, secrets: Type.Array(HookSecretView) }),
  status: 201,
  errors: ["notFound"],
})

export const retireHookSecret = operation({
  name: "RetireHookSecret",
  method: "DELETE",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}/secrets/{secret}",
  tag: "admin",
  summary: "Ends a secret at once: nothing is signed with it any more.",
  access: ["operator"],
  needs: "hooks.manage",
  params: SecretPath,
  query: Empty,
  body: null,
  output: Answer({ secrets: Type.Array(HookSecretView) }),
  status: 200,
  errors: ["notFound"],
})

export const checkSqs = operation({
  name: "CheckSQS",
  method: "POST",
  path: "/api/v2/check_sqs",
  tag: "common",
  summary: "Sends a test message to an SQS queue, with what is given and, for the rest, what UpdateApp has set.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: Type.Pick(AppHookSettings, ["sqs_url", "sqs_key", "sqs_secret"]),
  output: Answer(QueueCheck),
  status: 200,
  errors: [],
})

export const checkSns = operation({
  name: "CheckSNS",
  method: "POST",
  path: "/api/v2/check_sns",
  tag: "common",
  summary: "Sends a test message to an SNS topic, with what is given and, for the rest, what UpdateApp has set.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: Type.Pick(AppHookSettings, ["sns_topic_arn", "sns_key", "sns_secret"]),
  output: Answer(QueueCheck),
  status: 200,
  errors: [],
})
