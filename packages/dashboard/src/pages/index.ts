// Every page, in the order of the navigation. One line for each; a page is a folder beside this file.

import { page as account } from "./account/index.ts"
import { page as api } from "./api/index.ts"
import { page as appSettings } from "./app-settings/index.ts"
import { page as apps } from "./apps/index.ts"
import { page as newApp } from "./apps/new.ts"
import { page as deploymentAudit } from "./audit/deployment.ts"
import { page as audit } from "./audit/index.ts"
import { callPage, page as calls } from "./calls/index.ts"
import { channelPage, page as channels } from "./channels/index.ts"
import { page as deliveries, deliveryPage } from "./deliveries/index.ts"
import { feedPage, page as feeds } from "./feeds/index.ts"
import { hookPage, page as hooks } from "./hooks/index.ts"
import { keyPage, page as keys, rotationPage } from "./keys/index.ts"
import { page as limits } from "./limits/index.ts"
import { page as nodes } from "./nodes/index.ts"
import { page as overview } from "./overview/index.ts"
import type { Page } from "./page.ts"
import { page as policy } from "./policy/index.ts"
import { page as refusals } from "./refusals/index.ts"
import { page as requests } from "./requests/index.ts"
import { page as revocations } from "./revocations/index.ts"
import { page as revocation } from "./revocations/one.ts"
import { page as roles } from "./roles/index.ts"
import { page as sessions } from "./sessions/index.ts"
import { page as settings } from "./settings/index.ts"
import { page as team } from "./team/index.ts"
import { page as traffic } from "./traffic/index.ts"
import { page as users } from "./users/index.ts"
import { page as user } from "./users/one.ts"
import { page as decision } from "./why/decision.ts"
import { page as why } from "./why/index.ts"
import { page as workshop } from "./workshop/index.ts"

export const pages: readonly Page[] = [
  overview,
  appSettings,
  keys,
  keyPage,
  rotationPage,
  policy,
  workshop,
  users,
  user,
  sessions,
  revocations,
  revocation,
  roles,
  channels,
  channelPage,
  feeds,
  feedPage,
  calls,
  callPage,
  api,
  hooks,
  hookPage,
  deliveries,
  deliveryPage,
  traffic,
  requests,
  refusals,
  why,
  decision,
  limits,
  audit,
  apps,
  newApp,
  nodes,
  team,
  deploymentAudit,
  settings,
  account,
]
