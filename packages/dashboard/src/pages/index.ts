// Every page, in the order of the navigation. One line for each; a page is a folder beside this file.

import { page as apps } from "./apps/index.ts"
import { page as newApp } from "./apps/new.ts"
import { page as deploymentAudit } from "./audit/deployment.ts"
import { page as audit } from "./audit/index.ts"
import { keyPage, page as keys, rotationPage } from "./keys/index.ts"
import type { Page } from "./page.ts"
import { page as refusals } from "./refusals/index.ts"
import { page as revocations } from "./revocations/index.ts"
import { page as revocation } from "./revocations/one.ts"
import { page as roles } from "./roles/index.ts"
import { page as sessions } from "./sessions/index.ts"
import { page as users } from "./users/index.ts"
import { page as user } from "./users/one.ts"
import { page as decision } from "./why/decision.ts"
import { page as why } from "./why/index.ts"

export const pages: readonly Page[] = [
  keys,
  keyPage,
  rotationPage,
  users,
  user,
  sessions,
  revocations,
  revocation,
  roles,
  refusals,
  why,
  decision,
  audit,
  deploymentAudit,
  apps,
  newApp,
]
