// Bundles the dashboard: packages/dashboard/dist holds what the server sends, each file under a name made from its
// content, and compressed beside it, so that nothing is compressed while somebody waits.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"

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
  for (const name of await readdir(outDir)) {
    if (!compressible.test(name) || name.endsWith(".html")) continue
    const content = await readFile(join(outDir, name))
    if (content.byteLength < compressedBytesMin) continue
    const brotli = brotliCompressSync(content, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: content.byteLength },
    })
    await writeFile(join(outDir, `${name}.br`), brotli)
    await writeFile(join(outDir, `${name}.gz`), gzipSync(content, { level: 9 }))
  }
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..")
  await buildDashboard(root, join(root, "packages", "dashboard", "dist"))
}
