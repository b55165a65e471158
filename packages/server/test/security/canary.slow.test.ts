// Case 51: canaries. A node that logs all it can is given secrets of every kind, through every way that it takes them,
// and asked at every door. Afterwards none of them stands in what it wrote or answered, in the files of its database or in
// a dump of it; each answer that is meant to show a secret, once, is named.

import { afterAll, describe, expect, test } from "bun:test"
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { allOperations } from "./operations.ts"
