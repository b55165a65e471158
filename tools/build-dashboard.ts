// Bundles the dashboard: packages/dashboard/dist holds what the server sends, each file under a name made from its
// content, and compressed beside it, so that nothing is compressed while somebody waits.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import zlib, { constants } from "node:zlib"

const brotli = promisify(zlib.brotliCompress)
const gzip = promisify(zlib.gzip)

/** Below this a file travels as it is. */
const compressedBytesMin = 1_024
const compressible = /\.(js|css|html|svg|json)$/

/** Builds into a folder, which is emptied. Throws when the bundle fails. */
export async function buildDashboard(root: string, outDir: string): Promise<void> {
  const home = join(root, "packages", "dashboard", "src")
  await rm(outDir, { recursive: true, force: true })
  await mkdir(outDir, { recursive: true })
  const result = await Bun.build({
    entrypoints: [join(home, "index.html"), join(home, "demo.html")],
    outdir: outDir,
    target: "browser",
    format: "esm",
    splitting: true,
    minify: true,
    publicPath: "/dashboard/assets/",
    naming: { entry: "[dir]/[name].[ext]", chunk: "[name]-[hash].[ext]", asset: "[name]-[hash].[ext]" },
    define: { "process.env.NODE_ENV": '"production"' },
  })
  if (!result.success) throw new AggregateError(result.logs, "the dashboard could not be bundled")
  await Promise.all((await readdir(outDir)).map((name) => compress(join(outDir, name))))
}

/** As small as they go: once at the build, and then for everybody who opens the dashboard. */
async function compress(path: string): Promise<void> {
  if (!compressible.test(path) || path.endsWith(".html")) return
  const content = await readFile(path)
  if (content.byteLength < compressedBytesMin) return
  const { BROTLI_PARAM_QUALITY, BROTLI_MAX_QUALITY, BROTLI_PARAM_SIZE_HINT, Z_BEST_COMPRESSION } = constants
  const params = { [BROTLI_PARAM_QUALITY]: BROTLI_MAX_QUALITY, [BROTLI_PARAM_SIZE_HINT]: content.byteLength }
  await Promise.all([
    brotli(content, { params }).then((compressed) => writeFile(`${path}.br`, compressed)),
    gzip(content, { level: Z_BEST_COMPRESSION }).then((compressed) => writeFile(`${path}.gz`, compressed)),
  ])
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..")
  await buildDashboard(root, join(root, "packages", "dashboard", "dist"))
}
