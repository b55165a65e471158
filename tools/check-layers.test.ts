// Guarantee: each rule of check-layers catches the fault that it is for, names it at its line, and lets a clean
// house pass. Every test plants one fault in a copy of the same clean tree.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts under test hold templates
import { afterEach, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { checkLayers, type Exception, type Rule, rules } from "./check-layers.ts"
import { scanImports } from "./scan-imports.ts"

type Files = Record<string, string>

const server = "packages/server/src/"

/** A small house in which everything is allowed, and every kind of allowed import occurs. */
const clean: Files = {
  "packages/protocol/src/index.ts": `import { Type } from "typebox"\nexport * from "./ids.ts"\nexport const Id = Type.String()\n`,
  "packages/protocol/src/ids.ts": `import type { Static } from "typebox"\nexport type Id = Static<never>\n`,
  [`${server}main.ts`]: `import { createServer } from "./server.ts"\ncreateServer(process.env)\n`,
  [`${server}server.ts`]: `import { routes } from "./core/keys/routes.ts"\nimport { limits } from "./config/limits.ts"\n`,
  [`${server}testing.ts`]: `import { createServer } from "./server.ts"\nexport const url = process.env.URL\n`,
  [`${server}base/clock.ts`]: `export const now = () => Date.now()\n`,
  [`${server}config/env.ts`]: `import { now } from "../base/clock.ts"\nexport const env = process.env\n`,
  [`${server}config/limits.ts`]: `export const limits = {}\n`,
  [`${server}store/database.ts`]: `import { sql } from "kysely"\nimport { limits } from "../config/limits.ts"\n`,
  [`${server}events/relay.ts`]: `import { now } from "../base/clock.ts"\nimport type { Db } from "../store/database.ts"\n`,
  [`${server}authenticate/token.ts`]: `import { createHmac } from "node:crypto"\nimport { now } from "../base/clock.ts"\n`,
  [`${server}authorize/decide.ts`]: `import { ApiError } from "@weir/protocol"\nimport { grants } from "./grants.ts"\n`,
  [`${server}authorize/grants.ts`]: `export const grants = []\n`,
  [`${server}request/route.ts`]: `import { decide } from "../authorize/decide.ts"\nimport { verify } from "../authenticate/token.ts"\n`,
  [`${server}core/keys/routes.ts`]: `import { selectApp } from "../apps/index.ts"\nimport { insertKey } from "./store.ts"\n`,
  [`${server}core/keys/store.ts`]: `export const insertKey = (tx) => tx.insertInto("keys")\n`,
  [`${server}core/keys/migrations/0001.ts`]: `import { sql } from "kysely"\n`,
  [`${server}core/keys/keys.test.ts`]: `import { start } from "../../server.ts"\nprocess.env.X = "1"\n`,
  [`${server}core/apps/routes.ts`]: `import { route } from "../../request/route.ts"\n`,
  [`${server}core/apps/index.ts`]: `export { selectApp } from "./store.ts"\n`,
  [`${server}core/apps/cache.ts`]: `export const apps = new Map()\n`,
  [`${server}core/apps/store.ts`]: `declare module "../../store/database.ts" {}\nexport const selectApp = (read) => read.selectFrom("apps")\n`,
  [`${server}products/chat/messages/routes.ts`]: `import { selectApp } from "../../../core/apps/index.ts"\nimport { cid } from "../channels/index.ts"\n`,
  [`${server}products/chat/channels/routes.ts`]: `import { route } from "../../../request/route.ts"\n`,
  [`${server}products/chat/channels/index.ts`]: `export { route } from "./routes.ts"\n`,
  [`${server}products/feeds/follows/routes.ts`]: `import { route } from "../../../request/route.ts"\n`,
  [`${server}products/feeds/follows/index.ts`]: `export { route } from "./routes.ts"\n`,
  "packages/sdk-server/src/index.ts": `import { createHmac } from "node:crypto"\nimport type { Id } from "@weir/protocol"\n`,
  "packages/sdk-client/src/index.ts": `import type { Id } from "../../protocol/src/ids.ts"\nimport "ws"\n`,
  "packages/chat/src/index.ts": `import { connect } from "@weir/sdk-client"\n`,
  "packages/chat/src/token.node.ts": `import { createHmac } from "node:crypto"\n`,
  "packages/cli/src/main.ts": `import { main } from "@weir/server/main"\nmain(process.env)\n`,
}

const roots: string[] = []

function plant(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), "weir-layers-"))
  roots.push(root)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return root
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

const check = (files: Files, excused: readonly Exception[] = []) => checkLayers(plant({ ...clean, ...files }), excused)

test("a clean house has no fault", () => {
  expect(check({})).toEqual([])
})

// One row is one planted fault: file (under the server's source when it starts with no package), its text, the line
// at which the rule must be named.
const planted: readonly [rule: Rule, what: string, file: string, text: string, line: number][] = [
  ["layer", "base imports store", "base/ids.ts", `\nimport "../store/database.ts"`, 2],
  [
    "layer",
    "store imports events, as a type only",
    "store/outbox.ts",
    `import type { E } from "../events/relay.ts"`,
    1,
  ],
  ["layer", "events imports request", "events/sockets.ts", `import { r } from "../request/route.ts"`, 1],
  ["layer", "authenticate imports store", "authenticate/look.ts", `import { r } from "../store/database.ts"`, 1],
  ["layer", "request imports core", "request/http.ts", `import { r } from "../core/apps/index.ts"`, 1],
  ["layer", "authenticate imports core", "authenticate/look.ts", `import { v } from "../core/keys/index.ts"`, 1],
  ["layer", "core imports products", "core/apps/rules.ts", `export * from "../../products/chat/channels/index.ts"`, 1],
  ["layer", "a layer imports config", "request/http.ts", `import { env } from "../config/env.ts"`, 1],
  [
    "layer",
    "core imports the limits of config",
    "core/apps/limits.ts",
    `import { l } from "../../config/limits.ts"`,
    1,
  ],
  ["layer", "a layer imports server.ts", "request/http.ts", `await import("../server.ts")`, 1],
  ["layer", "a layer imports what is for tests", "core/apps/rules.ts", `import { t } from "../../testing.ts"`, 1],
  ["layer", "config imports main.ts", "config/more.ts", `import "../main.ts"`, 1],
  ["layer", "a layer imports the server by its name", "core/apps/rules.ts", `import { c } from "@weir/server"`, 1],
  ["layer", "store augments request", "store/more.ts", `declare module "../request/route.ts" {}`, 1],
  ["unknown-layer", "a folder outside of the table", "helpers/strings.ts", "export const a = 1", 1],
  ["unknown-layer", "a file beside server.ts", "util.ts", "export const a = 1", 1],
  ["authorize-pure", "authorize imports base", "authorize/more.ts", `import { now } from "../base/clock.ts"`, 1],
  ["authorize-pure", "authorize imports node:crypto", "authorize/more.ts", `import { h } from "node:crypto"`, 1],
  ["authorize-pure", "authorize imports a registry's package", "authorize/more.ts", `import { T } from "typebox"`, 1],
  [
    "authorize-pure",
    "authorize imports its package.json",
    "authorize/more.ts",
    `import p from "../../package.json"`,
    1,
  ],
  ["module-door", "core enters a sibling's store", "core/keys/rules.ts", `import { s } from "../apps/store.ts"`, 1],
  [
    "module-door",
    "a product enters core",
    "products/chat/messages/rules.ts",
    `import "../../../core/apps/store.ts"`,
    1,
  ],
  [
    "module-door",
    "a product's module enters another",
    "products/chat/messages/rules.ts",
    `import "../channels/routes.ts"`,
    1,
  ],
  [
    "product-island",
    "a product imports another",
    "products/chat/messages/rules.ts",
    `import "../../feeds/follows/index.ts"`,
    1,
  ],
  ["module-shape", "a file of no known name", "core/apps/helpers.ts", "export const a = 1", 1],
  ["module-shape", "a folder inside a module", "core/apps/inner/rules.ts", "export const a = 1", 1],
  ["module-shape", "a file directly under core", "core/index.ts", "export const a = 1", 1],
  ["module-shape", "a file directly under a product", "products/chat/rules.ts", "export const a = 1", 1],
  ["module-shape", "a file that is no source", "core/apps/notes.md", "text", 1],
  ["environment", "process.env", "store/open.ts", "const a = 1\nconst b = process.env.B", 2],
  ["environment", "process.env, optional and indexed", "store/open.ts", `\nconst b = globalThis.process?.["env"]`, 2],
  ["environment", "Bun.env", "core/apps/rules.ts", "const b = Bun.env.B", 1],
  ["environment", "import.meta.env", "request/http.ts", "const b = import.meta.env.B", 1],
  ["environment", "process taken apart", "request/http.ts", "const { pid, env } = process", 1],
  ["environment", "env imported", "request/http.ts", `import { env as e } from "node:process"`, 1],
  ["environment", "inside a template", "request/http.ts", "const a = `${`${process.env.A}`}`", 1],
  ["sql", "kysely's sql in routes", "core/apps/routes.ts", `import { type Kysely, sql as raw } from "kysely"`, 1],
  ["sql", "all of kysely in rules", "core/apps/rules.ts", `import * as k from "kysely"`, 1],
  ["sql", "a query in routes", "core/apps/routes.ts", `const a = 1\nread\n  .selectFrom("apps")`, 3],
  ["sql", "a typed insert in events", "events/more.ts", `tx.insertInto<"a">("a")`, 1],
  ["sql", "an update in request", "request/http.ts", `tx?.updateTable("a")`, 1],
  ["sql", "a delete in a module's events", "core/apps/events.ts", `tx.deleteFrom("a")`, 1],
  ["sql", "Bun's own SQL", "events/more.ts", `import { SQL } from "bun"`, 1],
  ["sql", "bun:sqlite", "base/more.ts", `import { Database } from "bun:sqlite"`, 1],
  ["computed-import", "a path that is computed", "base/more.ts", `await import("./a" + name)`, 1],
  ["computed-import", "a template that is computed", "base/more.ts", "await import(`./${name}.ts`)", 1],
  ["computed-import", "a path that package.json maps", "base/more.ts", `import { p } from "#platform"`, 1],
  ["package", "server imports a client SDK", "request/http.ts", `import { c } from "@weir/sdk-client"`, 1],
  [
    "package",
    "server imports a client SDK by its path",
    "server.ts",
    `import { c } from "../../sdk-client/src/index.ts"`,
    1,
  ],
  ["package", "an SDK imports the server", "packages/sdk-server/src/a.ts", `import { c } from "@weir/server"`, 1],
  [
    "package",
    "chat imports the server by its path",
    "packages/chat/src/a.ts",
    `export { c } from "../../server/src/server.ts"`,
    1,
  ],
  ["package", "a path out of the packages", "packages/cli/src/a.ts", `import "../../../tools/check.ts"`, 1],
  ["package", "a package outside of the table", "packages/extra/src/a.ts", "export const a = 1", 1],
  ["protocol-pure", "protocol imports Node", "packages/protocol/src/a.ts", `import { h } from "node:crypto"`, 1],
  ["protocol-pure", "protocol imports another package", "packages/protocol/src/a.ts", `import { j } from "jose"`, 1],
  ["package", "protocol imports the server", "packages/protocol/src/a.ts", `import { j } from "@weir/server"`, 1],
  [
    "browser-safe",
    "the client SDK imports Node",
    "packages/sdk-client/src/a.ts",
    `import { readFile } from "fs/promises"`,
    1,
  ],
  ["browser-safe", "the client SDK, in a .node.ts", "packages/sdk-client/src/a.node.ts", `import "node:net"`, 1],
  ["browser-safe", "the client SDK imports Bun", "packages/sdk-client/src/a.ts", `import { serve } from "bun"`, 1],
  ["browser-safe", "chat imports Node", "packages/chat/src/a.ts", `const c = require("crypto")`, 1],
]

describe("a planted fault is caught", () => {
  for (const [rule, what, file, text, line] of planted) {
    test(`${rule}: ${what}`, () => {
      const path = file.startsWith("packages/") ? file : server + file
      const faults = check({ [path]: `${text}\n` })
      expect(faults).toMatchObject([{ rule, file: path, line }])
    })
  }

  test("module-shape: a module without routes.ts", () => {
    expect(check({ [`${server}core/roles/rules.ts`]: "export const a = 1\n" })).toEqual([
      { file: `${server}core/roles`, line: 1, what: "has no routes.ts", rule: "module-shape" },
    ])
  })

  test("module-circle: two modules of a product", () => {
    const faults = check({
      [`${server}products/chat/channels/rules.ts`]: `\nimport "../messages/index.ts"\n`,
      [`${server}products/chat/messages/index.ts`]: `export * from "./routes.ts"\n`,
    })
    // The import that closes it is the one met last; either of the two may give way.
    expect(faults).toEqual([
      {
        file: `${server}products/chat/messages/routes.ts`,
        line: 2,
        what: "products/chat/channels → products/chat/messages → products/chat/channels",
        rule: "module-circle",
      },
    ])
  })

  test("module-circle: three modules, named in their order", () => {
    const faults = check({
      [`${server}core/a/routes.ts`]: `import "../b/index.ts"\n`,
      [`${server}core/b/routes.ts`]: `import "../c/index.ts"\n`,
      [`${server}core/c/routes.ts`]: `import "../a/index.ts"\n`,
    })
    expect(faults).toEqual([
      {
        file: `${server}core/c/routes.ts`,
        line: 1,
        what: "core/a → core/b → core/c → core/a",
        rule: "module-circle",
      },
    ])
  })

  test("every rule has a row, but the two that have tests of their own", () => {
    const seen = new Set<string>(planted.map(([rule]) => rule))
    expect(Object.keys(rules).filter((rule) => !seen.has(rule))).toEqual(["module-circle", "stale-exception"])
  })
})

describe("exceptions", () => {
  const file = `${server}core/apps/memory.ts`
  const exception: Exception = { file, rule: "module-shape", reason: "held in memory" }

  test("one file is excused from one rule only", () => {
    expect(check({ [file]: "export const a = 1\n" }, [exception])).toEqual([])
    const faults = check({ [file]: "export const a = process.env.A\n" }, [exception])
    expect(faults.map((fault) => fault.rule)).toEqual(["environment"])
  })

  test("stale-exception: it excuses nothing", () => {
    expect(check({}, [exception])).toMatchObject([{ file, rule: "stale-exception" }])
  })
})

describe("the reader of imports", () => {
  const specifiers = (source: string) => scanImports(source).map(({ specifier }) => specifier)

  test("sees each kind of statement, with its line and its names", () => {
    const source = [
      `import "./a.ts"`,
      `import b, { type C, d as e } from './b.ts'`,
      `import type { F } from "./f.ts"`,
      "import {",
      "  g, // one",
      "  h,",
      `} from "./g.ts"`,
      `import * as i from "./i.ts"`,
      `export * from "./j.ts"`,
      `export { k } from "./k.ts"; export type { L } from "./l.ts"`,
      `const m = await import("./m.ts"), n = require("./n.ts")`,
      "const o = cond ? import(`./o.ts`) : [...require('./p.ts')]",
      `type Q = typeof import("./q.ts")`,
      `declare module "./r.ts" {}`,
      `import from from "./s.json" with { type: "json" }`,
    ].join("\n")
    expect(scanImports(source)).toEqual([
      { specifier: "./a.ts", line: 1, names: [] },
      { specifier: "./b.ts", line: 2, names: ["b", "type", "C", "d"] },
      { specifier: "./f.ts", line: 3, names: ["type", "F"] },
      { specifier: "./g.ts", line: 4, names: ["g", "h"] },
      { specifier: "./i.ts", line: 8, names: ["*"] },
      { specifier: "./j.ts", line: 9, names: ["*"] },
      { specifier: "./k.ts", line: 10, names: ["k"] },
      { specifier: "./l.ts", line: 10, names: ["type", "L"] },
      { specifier: "./m.ts", line: 11, names: [] },
      { specifier: "./n.ts", line: 11, names: [] },
      { specifier: "./o.ts", line: 12, names: [] },
      { specifier: "./p.ts", line: 12, names: [] },
      { specifier: "./q.ts", line: 13, names: [] },
      { specifier: "./r.ts", line: 14, names: [] },
      { specifier: "./s.json", line: 15, names: ["from"] },
    ])
  })

  test("is not fooled by comments", () => {
    expect(specifiers(`// import "a"\n/* import "b"\nimport "c" */ import "d" // import "e"\n/** from "f" */`)).toEqual(
      ["d"],
    )
  })

  test("is not fooled by strings, templates and regular expressions", () => {
    expect(specifiers(`const a = "import 'b'"\nconst c = 'it\\'s import "d"'\nimport "e"`)).toEqual(["e"])
    expect(specifiers("const a = `import 'b' ${c ? `import 'd'` : { e: '}' }} import 'f'`\nimport 'g'")).toEqual(["g"])
    expect(specifiers(`const a = /"import 'b'/\nimport "c"\nconst d = e / f; import "g" // /`)).toEqual(["c", "g"])
    expect(specifiers(`const a = b.replace(/[/"]/g, "'")\nimport "c"`)).toEqual(["c"])
  })

  test("takes no names that are members, keys or declarations for imports", () => {
    expect(specifiers(`a.import("b"); c?.require("d"); const e = { import: "f", export: "g" }`)).toEqual([])
    expect(specifiers(`class A { import(x: string) {} }\nexport const from = "h"\nexport { a }\n"from"`)).toEqual([])
    expect(specifiers(`import.meta.url; export default "i"; export class From { b = "j" }`)).toEqual([])
  })

  test("says null when the path is computed", () => {
    expect(specifiers("import(a); import('./b' + c); import(`./${d}`)")).toEqual([null, null, null])
  })
})

test("the house itself is in order", () => {
  const faults = checkLayers(dirname(import.meta.dir))
  expect(faults.map(({ file, line, what, rule }) => `${file}:${line} ${rule}: ${what}`)).toEqual([])
})
