#!/usr/bin/env node
// The command `weir`. npm starts it on Node, the program itself runs on Bun.
import { fileURLToPath } from "node:url"
import { runBun } from "./find-bun.js"

const [major] = process.versions.node.split(".").map(Number)
if (major < 20) {
  console.error(`weir: needs Node 20 or later, this is ${process.version}`)
  process.exit(1)
}

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
// Bun reads .env and bunfig.toml of the current folder by itself, and a bunfig.toml may even name code to run. Settings
// come from the environment alone, and whoever runs `weir` in a strange folder runs nothing of it.
runBun(["--no-env-file", `--config=${here("./bunfig.toml")}`, here("../src/main.ts"), ...process.argv.slice(2)])
