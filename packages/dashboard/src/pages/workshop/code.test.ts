import { describe, expect, test } from "bun:test"
import { createCallToken, createServerToken, createToken } from "../../../../sdk-server/src/index.ts"
import { type CodeFacts, curlCode, nodeCode, pythonCode, type Wish } from "./code.ts"

// The code that the page shows is run as it stands: what it makes must be what was wished for.

const secret = "a-secret-of-more-than-thirty-two-bytes-for-tests"
const facts = (wish: Wish): CodeFacts => ({
  wish,
  origin: "https://weir.example",
  apiKey: "abcdefghijkl",
  kid: "spring",
  expiresIn: 600,
})

const wishes: readonly (readonly [name: string, wish: Wish, claims: object])[] = [
  [
    "user",
    { kind: "user", user_id: "jessica", scopes: { "chat:messaging:*": ["read", "write"] } },
    { user_id: "jessica", scopes: { "chat:messaging:*": ["read", "write"] } },
  ],
  ["server", { kind: "server" }, { server: true }],
  [
    "call for anybody",
    { kind: "call", call_cids: ["default:standup"], channel_cids: ["messaging:standup"], role: "host" },
    { user_id: "!anon", call_cids: ["default:standup"], channel_cids: ["messaging:standup"], role: "host" },
  ],
  [
    "call for a user",
    { kind: "call", call_cids: ["default:a"], user_id: "jessica" },
    { user_id: "jessica", call_cids: ["default:a"] },
  ],
]

const parts = (token: string): { header: unknown; claims: Record<string, number> } => {
  const [header, claims] = token
    .split(".")
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()))
  return { header, claims }
}

/** Runs the code as a module would, with the SDK's functions in place of its import. */
function runNode(code: string): string {
  const lines: string[] = []
  const body = code.replace(/^import .*$/m, "")
  const run = new Function("createToken", "createCallToken", "createServerToken", "process", "console", body)
  run(
    createToken,
    createCallToken,
    createServerToken,
    { env: { WEIR_API_SECRET: secret } },
    {
      log: (line: string) => lines.push(line),
    },
  )
  return lines.join("\n")
}

const python = Bun.which("python3")

describe("code for a backend makes the token that was wished for", () => {
  for (const [name, wish, expected] of wishes) {
    test(`Node: ${name}`, () => {
      const token = runNode(nodeCode(facts(wish)))
      const { header, claims } = parts(token)
      expect(header).toEqual({ alg: "HS256", typ: "JWT", kid: "spring" })
      expect(claims).toMatchObject(expected)
      expect(Number(claims.exp) - Number(claims.iat)).toBe(600)
    })

    test.skipIf(python === null)(`Python: ${name}, with a signature that fits`, async () => {
      const run = Bun.spawn([python as string, "-"], {
        stdin: new Blob([pythonCode(facts(wish))]),
        env: { WEIR_API_SECRET: secret },
        stdout: "pipe",
        stderr: "pipe",
      })
      const token = (await new Response(run.stdout).text()).trim()
      expect(await new Response(run.stderr).text()).toBe("")
      const { header, claims } = parts(token)
      expect(header).toEqual({ alg: "HS256", typ: "JWT", kid: "spring" })
      expect(claims).toMatchObject(expected)
      expect(Number(claims.exp) - Number(claims.iat)).toBe(600)
      const signed = token.slice(0, token.lastIndexOf("."))
      const mac = new Bun.CryptoHasher("sha256", secret).update(signed).digest("base64url")
      expect(token.slice(token.lastIndexOf(".") + 1)).toBe(mac)
    })
  }
})

// What an operator types into a field stands in code that they paste into a shell or a file: it must stay a text there.
describe("what was typed stays a text", () => {
  const hostile = "u'$(id)\"\\\n"

  test("in Node", () => {
    expect(nodeCode(facts({ kind: "user", user_id: hostile }))).toContain(JSON.stringify(hostile))
  })

  test("in a shell: it hands over exactly the body that was meant", async () => {
    const code = curlCode(facts({ kind: "user", user_id: hostile }))
    const run = Bun.spawn(["sh", "-c", `curl() { for word in "$@"; do printf '%s\\0' "$word"; done; }\n${code}`], {
      env: { TOKEN: "the-token" },
      stdout: "pipe",
    })
    const words = (await new Response(run.stdout).text()).split("\0")
    expect(words).toContain("authorization: the-token")
    expect(words).toContain(JSON.stringify({ filter_conditions: { members: { $in: [hostile] } }, limit: 10 }))
  })

  test.skipIf(python === null)("in Python", async () => {
    const code = `${pythonCode(facts({ kind: "user", user_id: hostile }))}\nprint(repr(claims["user_id"]))`
    const run = Bun.spawn([python as string, "-"], {
      stdin: new Blob([code]),
      env: { WEIR_API_SECRET: secret },
      stdout: "pipe",
    })
    const [token = ""] = (await new Response(run.stdout).text()).split("\n")
    expect(parts(token).claims.user_id as unknown).toBe(hostile)
  })
})
