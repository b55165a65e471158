// The README's example, run by plain Node against a real server.

import { expect, test } from "bun:test"
import { join } from "node:path"
import { startTestServer, testApiKey, testApiSecret } from "../../packages/server/src/testing.ts"
import { build } from "../../tools/build.ts"

test("two users hear each other and a third is refused", async () => {
  const root = join(import.meta.dir, "../..")
  await build(root)
  const weir = await startTestServer()
  try {
    const run = Bun.spawn(["node", join(import.meta.dir, "chat.mjs")], {
      cwd: root,
      env: { PATH: process.env.PATH, API_KEY: testApiKey, API_SECRET: testApiSecret, WEIR_URL: weir.url },
      stdout: "pipe",
      stderr: "pipe",
      timeout: 20_000,
    })
    const [printed, errors] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()])
    expect(errors).toBe("")
    expect(await run.exited).toBe(0)
    const [jessica, john, eve] = printed.trim().split("\n")
    expect(jessica).toBe("Jessica: Lunch at noon?")
    expect(john).toBe("John: See you there.")
    expect(eve).toContain(
      "User 'eve' with role 'user' is not allowed to perform action ReadChannel in scope 'messaging'",
    )
  } finally {
    await weir.close()
  }
})
