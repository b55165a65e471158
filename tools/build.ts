// Builds what plain Node and browsers load: dist/ of the three SDK packages, as ESM and CommonJS with types, and the
// dashboard. The root `prepare` runs it after each npm install; when nothing has changed it only compares one hash.

import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join, relative, resolve } from "node:path"
import { buildDashboard } from "./build-dashboard.ts"

interface Bundle {
  /** Folder in dist/. */
  folder: string
  format: "esm" | "cjs"
  /** Decides which side of the package's `imports` conditions is taken. */
  target: "node" | "browser"
}

interface Package {
  folder: string
  bundles: Bundle[]
}

const node: Bundle[] = [
  { folder: "esm", format: "esm", target: "node" },
  { folder: "cjs", format: "cjs", target: "node" },
]
const browser: Bundle = { folder: "browser", format: "esm", target: "browser" }

const packages: Package[] = [
  { folder: "sdk-client", bundles: [...node, browser] },
  { folder: "sdk-server", bundles: [...node, { ...browser, folder: "edge" }] },
  { folder: "chat", bundles: [...node, browser] },
]

/** Folders whose sources end up in the packages above. */
const sources = ["protocol", "sdk-client", "sdk-server", "chat", "dashboard"]

/** Bundled for the server to send; see build-dashboard.ts. */
const dashboard = "dashboard"

/** Loaded at run time instead of being bundled. */
const external = ["ws"]

const stampFile = ".stamp"
const replaceAttemptsMax = 3

/** Builds every package whose dist/ is not up to date. Returns the names of those built. */
export async function build(root: string): Promise<string[]> {
  const stamp = await hashOf(root)
  const stampOf = (folder: string): Promise<string | null> =>
    readFile(join(root, "packages", folder, "dist", stampFile), "utf8").catch(() => null)
  const stale: Package[] = []
  for (const item of packages) if ((await stampOf(item.folder)) !== stamp) stale.push(item)
  const isDashboardStale = (await stampOf(dashboard)) !== stamp
  if (stale.length === 0 && !isDashboardStale) return []

  // On the same file system as the packages, so that the result can be moved into place.
  const scratch = await mkdtemp(join(root, "node_modules", ".weir-build-"))
  try {
    if (stale.length > 0) {
      const declarations = await emitDeclarations(root, scratch)
      for (const item of stale) await buildPackage(root, item, declarations, scratch, stamp)
    }
    if (isDashboardStale) {
      const fresh = join(scratch, "dist", dashboard)
      await buildDashboard(root, fresh)
      await writeFile(join(fresh, stampFile), stamp)
      await moveInto(fresh, join(root, "packages", dashboard, "dist"))
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  return [...stale.map(({ folder }) => folder), ...(isDashboardStale ? [dashboard] : [])]
}

// dist/ is made aside and moved into place at the end, so that a reader never meets half of it.
async function buildPackage(root: string, item: Package, declarations: string | null, scratch: string, stamp: string) {
  const home = join(root, "packages", item.folder)
  const fresh = join(scratch, "dist", item.folder)
  for (const { folder, format, target } of item.bundles) {
    const result = await Bun.build({
      entrypoints: [join(home, "src", "index.ts")],
      outdir: join(fresh, folder),
      format,
      target,
      external,
    })
    if (!result.success) throw new AggregateError(result.logs, `${item.folder} ${folder}: the bundle failed`)
    if (target === "node" && declarations !== null)
      await copyDeclarations(declarations, `${item.folder}/src/index.d.ts`, join(fresh, folder))
  }
  await writeFile(join(fresh, "cjs", "package.json"), '{ "type": "commonjs" }\n')
  await writeFile(join(fresh, stampFile), stamp)

  await moveInto(fresh, join(home, "dist"))
}

/** Two builds may end at the same time; both made the same, so the second replaces the first. */
async function moveInto(fresh: string, dist: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await rm(dist, { recursive: true, force: true })
    try {
      await rename(fresh, dist)
      return
    } catch (error) {
      if (attempt === replaceAttemptsMax) throw error
    }
  }
}

/** One run of the compiler for all packages. Returns the folder that mirrors packages/; null without a compiler. */
async function emitDeclarations(root: string, scratch: string): Promise<string | null> {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
  if (!(await Bun.file(compiler).exists())) {
    console.log("weir: the SDK packages are built without types, because typescript is not installed")
    return null
  }
  const outDir = join(scratch, "types")
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: join(root, "packages"),
      typeRoots: [join(root, "node_modules", "@types")],
      outDir,
    },
    include: [],
    exclude: [],
    files: [
      ...packages.map(({ folder }) => join(root, "packages", folder, "src", "index.ts")),
      join(root, "packages", "sdk-client", "src", "ws.d.ts"),
    ],
  }
  const configFile = join(scratch, "tsconfig.json")
  await writeFile(configFile, JSON.stringify(config))
  const run = Bun.spawn(["node", compiler, "-p", configFile], { cwd: root, stdout: "pipe", stderr: "inherit" })
  const [output, status] = await Promise.all([new Response(run.stdout).text(), run.exited])
  if (status !== 0) throw new Error(`the types of the SDK packages do not compile:\n${output}`)
  return outDir
}

const relativeSpecifier = /((?:from|import)\s*\(?\s*["'])(\.{1,2}\/[^"']+)\.ts(["'])/g

/** Copies a declaration and all that it reaches, with `.ts` in its imports turned into the `.js` that consumers resolve. */
async function copyDeclarations(from: string, entry: string, to: string): Promise<void> {
  const waiting = [entry]
  const copied = new Set<string>()
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (copied.has(file)) continue
    copied.add(file)
    const text = await readFile(join(from, file), "utf8")
    for (const [, , specifier] of text.matchAll(relativeSpecifier)) {
      waiting.push(relative(from, resolve(from, dirname(file), `${specifier}.d.ts`)))
    }
    await mkdir(dirname(join(to, file)), { recursive: true })
    await writeFile(join(to, file), text.replaceAll(relativeSpecifier, "$1$2.js$3"))
  }
}

/** Hash of everything that the output depends on. */
async function hashOf(root: string): Promise<string> {
  const hash = createHash("sha256").update(Bun.version)
  const files = [
    join(root, "tools", "build.ts"),
    join(root, "tools", "build-dashboard.ts"),
    join(root, "tsconfig.json"),
  ]
  for (const source of sources) {
    const home = join(root, "packages", source)
    files.push(join(home, "package.json"))
    const names = await readdir(join(home, "src"), { recursive: true })
    files.push(
      ...names
        .filter((name) => /\.(tsx?|css|svg|html)$/.test(name))
        .sort()
        .map((name) => join(home, "src", name)),
    )
  }
  for (const file of files) hash.update(relative(root, file)).update(await readFile(file))
  return hash.digest("hex")
}

if (import.meta.main) {
  const startedMs = performance.now()
  const built = await build(resolve(import.meta.dir, ".."))
  if (built.length > 0)
    console.log(`weir: built ${built.join(", ")} in ${Math.round(performance.now() - startedMs)} ms`)
}
