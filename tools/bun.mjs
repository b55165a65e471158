#!/usr/bin/env node
// Runs Bun from its npm package, for the scripts of package.json: `node tools/bun.mjs <arguments of bun>`.
import { runBun } from "../packages/cli/bin/find-bun.js"

runBun(process.argv.slice(2))
