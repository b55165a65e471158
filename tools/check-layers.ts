// Guards the promises of ARCHITECTURE.md about who may import whom, so that the drawing stays true: the table of
// layers, the doors of modules, the closed shape of a module, and the packages that must run without a server.
// Each rule, each table and each exception is data at the top of this file.

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { dirname, join, posix, relative, sep } from "node:path"
import { type Import, importsIn, isMark, isWord, type Token, tokenize } from "./scan-imports.ts"

/** One broken rule. `file` is relative to the root, with `/`; `line` counts from 1. */
export interface Fault {
  readonly file: string
  readonly line: number
  readonly what: string
  readonly rule: Rule
}

/** What each rule promises. The key is the rule's name in the output. */
export const rules = {
  layer: "a layer of the server imports only the layers that the table allows",
  "unknown-layer": "every file of the server lies in a folder of the table",
  "authorize-pure": "authorize imports nothing but the protocol and itself",
  "module-door": "a module is entered only through its index.ts",
  "module-circle": "modules never import each other in a circle",
  "product-island": "a product never imports another product; products hear of each other through events",
  "module-shape": "a module holds only the files of the closed shape, routes.ts among them",
  environment: "only server.ts, main.ts and config read the environment",
  sql: "SQL stands only in store/, in files named store.ts and in migrations",
  "computed-import": "an import in the server names its file, so that it can be checked",
  package: "a package imports only the packages that the table allows, by their names",
  "protocol-pure": "the protocol imports nothing but TypeBox",
  "browser-safe": "packages for browsers import no module of Node or Bun",
  "stale-exception": "an exception that excuses nothing is removed",
} as const

export type Rule = keyof typeof rules

/** A file that may break one rule, and why. */
export interface Exception {
  readonly file: string
  readonly rule: Rule
  readonly reason: string
}

const exceptions: readonly Exception[] = [
  {
    file: "packages/server/src/core/traffic/recent.ts",
    rule: "module-shape",
    reason: "the latest requests are held in memory and nowhere else, beside the counts that cache.ts keeps and writes",
  },
  {
    file: "packages/server/src/core/users/connect.ts",
    rule: "module-shape",
    reason: "a connecting socket and a first act make users without an operation, so they are no routes",
  },
  {
    file: "packages/server/src/core/users/deletion.ts",
    rule: "module-shape",
    reason: "what follows a deletion is a task's steps, which no request waits for",
  },
  {
    file: "packages/server/src/core/tasks/runner.ts",
    rule: "module-shape",
    reason: "the noun of this module is what does work, so the module owns something that runs",
  },
  {
    file: "packages/server/src/core/keys/ring.ts",
    rule: "module-shape",
    reason: "a node says again and again which master keys it holds, so the module owns something that runs",
  },
  {
    file: "packages/server/src/core/keys/reseal.ts",
    rule: "module-shape",
    reason: "a rotation of the master key is steps of the command line, which no request waits for",
  },
  {
    file: "packages/server/src/core/revocations/shadows.ts",
    rule: "module-shape",
    reason: "counts that are held in memory and written now and then, beside the truth that cache.ts keeps",
  },
  {
    file: "packages/server/src/core/operators/accounts.ts",
    rule: "module-shape",
    reason: "logging in works with cookies, for our own page alone, so its endpoints are no operations",
  },
  {
    file: "packages/server/src/core/operators/adapter.ts",
    rule: "module-shape",
    reason: "the library that logs operators in keeps its records through the module's own store",
  },
  {
    file: "packages/server/src/core/operators/login.ts",
    rule: "module-shape",
    reason:
      "names and secrets of the login, apart from auth.ts because the library behind that is large and loaded late",
  },
  {
    file: "packages/server/src/core/operators/logins.ts",
    rule: "module-shape",
    reason: "logging in works with cookies and redirects, for our own page alone, so its endpoints are no operations",
  },
  {
    file: "packages/server/src/core/operators/wire.ts",
    rule: "module-shape",
    reason:
      "what the endpoints of the login share: they have no operations that would read bodies and make answers for them",
  },
  {
    file: "packages/server/src/core/operators/access.ts",
    rule: "module-shape",
    reason: "logging in works with cookies and redirects, for our own page alone, so its endpoints are no operations",
  },
  {
    file: "packages/server/src/core/operators/auth.ts",
    rule: "module-shape",
    reason: "sets up the library that logs operators in, over the module's own store",
  },
  {
    file: "packages/server/src/core/operators/operators.ts",
    rule: "module-shape",
    reason: "builds the login once for a node, and takes away what has run out, so the module owns something that runs",
  },
  {
    file: "packages/server/src/core/audit/verify.ts",
    rule: "module-shape",
    reason: "walking the chain is neither a rule nor SQL, and the command line does it without a server",
  },
  {
    file: "packages/server/src/core/dispatch/record.ts",
    rule: "module-shape",
    reason: "what every transaction that emits writes for the hooks: neither a route nor SQL",
  },
  {
    file: "packages/server/src/core/dispatch/keeper.ts",
    rule: "module-shape",
    reason: "the engine's rows in the engine's words, and what keeps their number within bounds",
  },
  {
    file: "packages/server/src/core/webhooks/secrets.ts",
    rule: "module-shape",
    reason: "the rules of the secrets that sign for hooks, of which hooks of settings and of listeners have the same",
  },
  {
    file: "packages/server/src/core/webhooks/settings.ts",
    rule: "module-shape",
    reason: "hooks as the wire's UpdateApp writes them, older settings among them; the routes hold the management API",
  },
  {
    file: "packages/server/src/core/webhooks/targets.ts",
    rule: "module-shape",
    reason: "the forms of five kinds of targets, which would drown the rules of the hooks themselves",
  },
  {
    file: "packages/server/src/core/webhooks/samples.json",
    rule: "module-shape",
    reason: "an event of each type, made by tools/events-doc.ts, for test deliveries",
  },
  {
    file: "packages/server/src/core/listeners/keeper.ts",
    rule: "module-shape",
    reason: "a listener is a stream with a hook row of its own, kept and swept together",
  },
  {
    file: "packages/server/src/products/chat/channels/state.ts",
    rule: "module-shape",
    reason:
      "the answer to a query is put together from channel, members, messages and reads, and is none of their rules",
  },
  {
    file: "packages/server/src/products/chat/channels/update.ts",
    rule: "module-shape",
    reason: "one update changes data, members and invitations at once; its parts would drown the routes",
  },
  {
    file: "packages/server/src/products/chat/channels/watch.ts",
    rule: "module-shape",
    reason: "a subscription is neither a rule nor a row: it binds a socket and must be checked again",
  },
  {
    file: "packages/server/src/products/chat/channels/deletion.ts",
    rule: "module-shape",
    reason: "what follows a deletion is a task's steps, which no request waits for",
  },
  {
    file: "packages/server/src/products/feeds/activities/deletion.ts",
    rule: "module-shape",
    reason: "what follows a deletion is a task's steps, which no request waits for",
  },
]

/** Files beyond the closed shape that any module may hold, and why. */
const extraModuleFiles: Readonly<Record<string, string>> = {
  "cache.ts": "rows that every request needs are held in memory and dropped over the bus: neither a rule nor a table",
}

/** Folder of packages/server/src → the folders that it may import, besides itself and the protocol. */
const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ["base"],
  store: ["base"],
  events: ["base", "store"],
  authenticate: ["base"],
  authorize: [],
  request: ["base", "store", "events", "authenticate", "authorize"],
  // The nouns answer the gate's look-ups (whose key, whose user), so they know its interfaces; nothing leads back.
  core: ["base", "store", "events", "authenticate", "authorize", "request"],
  products: ["base", "store", "events", "authorize", "request", "core"],
}

/** Single files that layers may import although the folder is closed to them. */
const openFiles: Readonly<Record<string, readonly string[]>> = {
  // Plain numbers: the bounds of the server's machinery.
  "config/limits.ts": ["request", "events", "store"],
}

/** Files that see every layer, and what they build on; nothing below imports them. */
const topFiles = [
  "server.ts",
  "gate.ts",
  "hooks.ts",
  "sealed.ts",
  "user-data.ts",
  "grant-scopes.ts",
  "watch.ts",
  "main.ts",
]

interface PackageRule {
  /** Other packages of the workspace that it may import. */
  readonly imports: readonly string[]
  /** `none`: no builtin module at all; `in-node-files`: only in files named *.node.ts. */
  readonly builtins: "any" | "none" | "in-node-files"
  /** When given, no package of a registry but these. */
  readonly dependencies?: readonly string[]
}

const packages: Readonly<Record<string, PackageRule>> = {
  protocol: { imports: [], builtins: "none", dependencies: ["typebox"] },
  server: { imports: ["protocol"], builtins: "any" },
  "sdk-server": { imports: ["protocol", "sdk-client"], builtins: "any" },
  "sdk-client": { imports: ["protocol"], builtins: "none" },
  chat: { imports: ["protocol", "sdk-server", "sdk-client"], builtins: "in-node-files" },
  // What it shows of the protocol are types alone, so that no schema travels to the browser.
  dashboard: { imports: ["protocol", "sdk-client"], builtins: "none" },
  cli: { imports: ["protocol", "server", "sdk-server", "sdk-client"], builtins: "any" },
}

const scope = "@weir/"
const serverSource = "packages/server/src/"
const moduleFiles = /^(routes|rules|store|events|actions|limits|index|migrations)\.ts$|^migrations\/|\.test\.ts$/
const sqlFiles = /^store\/|(^|\/)store\.ts$|(^|\/)migrations(\.ts$|\/)/
// testing.ts starts a whole server for tests; it is in no layer, so nothing but tests may import it.
const testFiles = /\.test\.tsx?$|^packages\/[^/]+\/(test\/|src\/testing\.ts$)/
const sourceFiles = /\.(ts|tsx|mts|cts|js|mjs|cjs)$/
const skippedFolders = new Set(["node_modules", "dist", "data", "coverage"])
const queryMethods = new Set(["selectFrom", "insertInto", "updateTable", "deleteFrom", "mergeInto", "replaceInto"])
// Bun serves these two names itself in place of the packages that bear them.
const builtinNames = new Set(builtinModules.filter((name) => name !== "ws" && name !== "undici"))

/**
 * Checks every source file under `root`/packages. Tests may import what they like; only their place is checked.
 * Returns the faults in the order of files and lines, none when the house is in order.
 */
export function checkLayers(root: string, excused: readonly Exception[] = exceptions): Fault[] {
  const faults: Fault[] = []
  const edges: ModuleEdge[] = []
  const paths = listFiles(root, "packages")
  for (const file of paths) {
    if (!sourceFiles.test(file)) continue
    const report: Report = (line, rule, what) => faults.push({ file, line, what, rule })
    if (testFiles.test(file)) continue
    const tokens = tokenize(readFileSync(join(root, file), "utf8"))
    const imports = importsIn(tokens)
    checkPackage(file, imports, report)
    if (file.startsWith(serverSource)) checkServerFile(file.slice(serverSource.length), tokens, imports, report, edges)
  }
  checkShapes(paths, faults)
  checkCircles(edges, faults)
  const isExcused = (fault: Fault) => excused.some(({ file, rule }) => file === fault.file && rule === fault.rule)
  const stale = excused.filter(({ file, rule }) => !faults.some((fault) => fault.file === file && fault.rule === rule))
  return [
    ...faults.filter((fault) => !isExcused(fault)),
    ...stale.map(
      ({ file, rule }) => ({ file, line: 1, what: `nothing breaks «${rule}»`, rule: "stale-exception" }) as const,
    ),
  ].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1))
}

type Report = (line: number, rule: Rule, what: string) => void

/** What holds for every package: whom it may import, and by which way. */
function checkPackage(file: string, imports: readonly Import[], report: Report): void {
  const name = file.split("/")[1] as string
  const rule = packages[name]
  if (rule === undefined) {
    report(1, "package", `the table does not know the package ${name}`)
    return
  }
  for (const { specifier, line } of imports) {
    if (specifier === null) continue
    const pure: Rule = name === "protocol" ? "protocol-pure" : "browser-safe"
    const other = workspacePackageOf(file, specifier)
    if (other !== null) {
      if (other !== name && !rule.imports.includes(other)) report(line, "package", `${name} imports ${other}`)
    } else if (isBuiltin(specifier)) {
      const isAllowed = rule.builtins === "any" || (rule.builtins === "in-node-files" && /\.node\.ts$/.test(file))
      if (!isAllowed) report(line, pure, `${name} imports "${specifier}"`)
    } else if (rule.dependencies !== undefined && !rule.dependencies.includes(packageNameOf(specifier))) {
      report(line, pure, `${name} imports "${specifier}"`)
    }
  }
}

/** Name of the package's folder, by its name or by a relative path; the path itself when it leads to none of them. */
function workspacePackageOf(file: string, specifier: string): string | null {
  if (specifier.startsWith(scope)) return specifier.slice(scope.length).split("/", 1)[0] as string
  if (!specifier.startsWith(".")) return null
  const target = posix.join(posix.dirname(file), specifier)
  return /^packages\/([^/]+)\//.exec(target)?.[1] ?? target
}

const isBuiltin = (specifier: string): boolean =>
  /^(node|bun):/.test(specifier) || specifier === "bun" || builtinNames.has(specifier)

const packageNameOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

/** `path` is relative to the server's source folder. */
function checkServerFile(
  path: string,
  tokens: readonly Token[],
  imports: readonly Import[],
  report: Report,
  edges: ModuleEdge[],
): void {
  if (topFiles.includes(path)) return
  const layer = layerOf(path)
  const allowed = layers[layer]
  if (allowed === undefined) {
    report(1, "unknown-layer", `${path} lies in no layer`)
    return
  }
  if (layer !== "config")
    for (const line of environmentReads(tokens, imports)) report(line, "environment", "reads the environment")
  if (!sqlFiles.test(path)) for (const { line, what } of sqlIn(tokens, imports)) report(line, "sql", what)

  for (const { specifier, line } of imports) {
    if (specifier === null) {
      report(line, "computed-import", "the path of an import is computed")
      continue
    }
    if (!specifier.startsWith(".")) {
      const isOwn = specifier === `${scope}server` || specifier.startsWith(`${scope}server/`)
      if (isOwn) report(line, "layer", `${layer} imports ${specifier}`)
      else if (specifier.startsWith("#")) report(line, "computed-import", `"${specifier}" hides its file`)
      else if (layer === "authorize" && specifier !== `${scope}protocol`)
        report(line, "authorize-pure", `authorize imports "${specifier}"`)
      continue
    }
    const target = posix.join(posix.dirname(path), specifier)
    if (target.startsWith("..")) {
      // Out of the source folder: whether that package may be imported, checkPackage has said.
      const isProtocol = posix.join(serverSource, target).startsWith("packages/protocol/")
      if (layer === "authorize" && !isProtocol) report(line, "authorize-pure", `authorize imports "${specifier}"`)
      continue
    }
    const targetLayer = layerOf(target)
    if (openFiles[target]?.includes(layer)) continue
    if (targetLayer !== layer && !allowed.includes(targetLayer)) {
      const rule: Rule = layer === "authorize" ? "authorize-pure" : "layer"
      report(line, rule, `${layer} imports ${layers[targetLayer] ? targetLayer : target}`)
      continue
    }
    const from = moduleOf(path)
    const to = moduleOf(target)
    if (to === null || from === null || from === to) continue
    if (layer === "products" && targetLayer === "products" && productOf(from) !== productOf(to)) {
      report(line, "product-island", `${from} imports ${to}`)
      continue
    }
    if (target !== `${to}/index.ts`) report(line, "module-door", `${target} is not the index.ts of ${to}`)
    edges.push({ from, to, file: serverSource + path, line })
  }
}

const layerOf = (path: string): string => path.split("/", 1)[0] as string

/** `core/keys`, `products/chat/messages`; null for a file of another layer or of none of the modules. */
function moduleOf(path: string): string | null {
  const parts = path.split("/")
  const depth = parts[0] === "core" ? 2 : parts[0] === "products" ? 3 : 0
  return depth === 0 || parts.length <= depth ? null : parts.slice(0, depth).join("/")
}

const productOf = (module: string): string => module.split("/")[1] as string

/** Every file under core/ and products/ is one of a module's files, and every module has its routes. */
function checkShapes(paths: readonly string[], faults: Fault[]): void {
  const modules = new Map<string, boolean>()
  for (const file of paths) {
    if (!file.startsWith(serverSource)) continue
    const path = file.slice(serverSource.length)
    if (!/^(core|products)\//.test(path)) continue
    const module = moduleOf(path)
    const name = module === null ? posix.basename(path) : path.slice(module.length + 1)
    const isOfShape =
      module === null ? testFiles.test(file) : moduleFiles.test(name) || Object.hasOwn(extraModuleFiles, name)
    if (!isOfShape) faults.push({ file, line: 1, what: `${name} is no file of a module`, rule: "module-shape" })
    if (module !== null) modules.set(module, modules.get(module) === true || name === "routes.ts")
  }
  for (const [module, hasRoutes] of modules)
    if (!hasRoutes)
      faults.push({ file: serverSource + module, line: 1, what: "has no routes.ts", rule: "module-shape" })
}

interface ModuleEdge {
  readonly from: string
  readonly to: string
  readonly file: string
  readonly line: number
}

/** Reports each import that closes a circle of modules, walking depth first. */
function checkCircles(edges: readonly ModuleEdge[], faults: Fault[]): void {
  const done = new Set<string>()
  const walk = (module: string, path: readonly string[]): void => {
    if (done.has(module)) return
    const trail = [...path, module]
    const reported = new Set<string>()
    for (const { from, to, file, line } of edges) {
      if (from !== module || reported.has(to)) continue
      const start = trail.indexOf(to)
      if (start < 0) walk(to, trail)
      else {
        reported.add(to)
        faults.push({ file, line, what: [...trail.slice(start), to].join(" → "), rule: "module-circle" })
      }
    }
    done.add(module)
  }
  for (const { from } of edges) walk(from, [])
}

/** Lines that read `process.env`, `Bun.env` or `import.meta.env` in any of their spellings. */
function environmentReads(tokens: readonly Token[], imports: readonly Import[]): number[] {
  const lines = imports
    .filter(({ specifier, names }) => /^(node:)?process$|^bun$/.test(specifier ?? "") && names.includes("env"))
    .map(({ line }) => line)
  tokens.forEach((token, index) => {
    if (!["process", "Bun", "meta"].some((name) => isWord(token, name))) return
    const next = tokens[index + 1]
    // `.env`, `?.env`, `["env"]` and `?.["env"]`
    const isIndexed = isMark(next, "[") || (isMember(next) && isMark(tokens[index + 2], "["))
    const member = tokens[index + (isIndexed && isMember(next) ? 3 : 2)]
    const isEnv = member?.text === "env" && (isIndexed || (isMember(next) && member.kind === "word"))
    if (isEnv || (!isMember(next) && isTakenApart(tokens, index))) lines.push(token.line)
  })
  return lines
}

const isMember = (token: Token | undefined): boolean => isMark(token, ".") || isMark(token, "?.")

/** `const { env } = process`, where `index` is the last word. */
function isTakenApart(tokens: readonly Token[], index: number): boolean {
  if (!isMark(tokens[index - 1], "=") || !isMark(tokens[index - 2], "}")) return false
  for (let at = index - 3; at >= 0 && !isMark(tokens[at], "{"); at--) if (isWord(tokens[at], "env")) return true
  return false
}

/** Imports of SQL builders and calls that begin a query. */
function sqlIn(tokens: readonly Token[], imports: readonly Import[]): { line: number; what: string }[] {
  const found: { line: number; what: string }[] = []
  for (const { specifier, names, line } of imports) {
    const isKysely = specifier === "kysely" && names.some((name) => name === "sql" || name === "*")
    const isBun = specifier === "bun:sqlite" || (specifier === "bun" && names.some((name) => /^sql$/i.test(name)))
    if (isKysely || isBun) found.push({ line, what: `imports SQL from "${specifier}"` })
  }
  tokens.forEach((token, index) => {
    if (token.kind !== "word" || !queryMethods.has(token.text) || !isMember(tokens[index - 1])) return
    const next = tokens[index + 1]
    if (isMark(next, "(") || isMark(next, "<"))
      found.push({ line: token.line, what: `begins a query with .${token.text}` })
  })
  return found
}

/** Every file under a folder of the root, sorted, with `/`. */
function listFiles(root: string, folder: string): string[] {
  const files: string[] = []
  const walk = (path: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory() && !skippedFolders.has(entry.name)) walk(join(path, entry.name))
      else if (entry.isFile()) files.push(relative(root, join(path, entry.name)).split(sep).join("/"))
    }
  }
  if (existsSync(join(root, folder))) walk(join(root, folder))
  return files.sort()
}

if (import.meta.main) {
  const faults = checkLayers(dirname(import.meta.dir))
  for (const { file, line, what, rule } of faults) console.log(`${file}:${line}: ${what} (${rule}: ${rules[rule]})`)
  if (faults.length > 0) process.exit(1)
}
