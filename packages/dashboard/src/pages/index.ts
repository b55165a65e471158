// Every page, in the order of the navigation. One line for each; a page is a folder beside this file.

import { page as apps } from "./apps/index.ts"
import { page as newApp } from "./apps/new.ts"
import type { Page } from "./page.ts"

export const pages: readonly Page[] = [apps, newApp]
