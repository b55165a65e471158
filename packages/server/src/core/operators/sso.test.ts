// Single sign-on against a real provider of our own: discovery, code flow with PKCE, signed ID tokens.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createHash, randomBytes } from "node:crypto"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { asAdmin, databaseKinds, startOn } from "../../../test/fixtures.ts"
import { goodPassword, logIn, type OperatorPage, openPage, setUpOwner } from "../../../test/operator-page.ts"
import type { TestServer } from "../../testing.ts"
import { limits } from "./limits.ts"

setDefaultTimeout(60_000)

const clientId = "weir-dashboard"
const clientSecret = "client-secret-for-tests"

interface Person {
  readonly sub: string
  readonly email: string
  readonly email_verified?: boolean
  readonly name?: string
}

/** How a provider may be wrong: each of these must be found out. */
interface Flaws {
  signWith?: CryptoKey
  issuer?: string
  audience?: string
  nonce?: string
  lifetime?: string
  /** When it says that the person authenticated: seconds since 1970, `null`: it does not say. Else just now. */
  authTime?: unknown
}

/** A small OpenID provider. Whoever is sent there is at once the person that it holds. */
async function startProvider() {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: "provider-key", alg: "ES256", use: "sig" }
  const codes = new Map<
    string,
    { person: Person; challenge: string; nonce: string; redirect: string; maxAge: string | null }
  >()
  let person: Person = { sub: "1", email: "nobody@example.com" }
  let flaws: Flaws = {}
  let exchanges = 0
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = new URL(request.url)
      const issuer = url.origin
      if (url.pathname === "/.well-known/openid-configuration") {
        return Response.json({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["ES256"],
          code_challenge_methods_supported: ["S256"],
        })
      }
      if (url.pathname === "/jwks") return Response.json({ keys: [jwk] })
      if (url.pathname === "/authorize") {
        const asked = url.searchParams
        if (asked.get("client_id") !== clientId || asked.get("code_challenge_method") !== "S256") {
          return new Response("bad request", { status: 400 })
        }
        const code = randomBytes(16).toString("hex")
        const redirect = asked.get("redirect_uri") ?? ""
        codes.set(code, {
          person,
          challenge: asked.get("code_challenge") ?? "",
          nonce: asked.get("nonce") ?? "",
          redirect,
          maxAge: asked.get("max_age"),
        })
        const back = new URL(redirect)
        back.searchParams.set("code", code)
        back.searchParams.set("state", asked.get("state") ?? "")
        back.searchParams.set("iss", issuer)
        return Response.redirect(back.href, 302)
      }
      if (url.pathname === "/token" && request.method === "POST") {
        exchanges += 1
        const form = new URLSearchParams(await request.text())
        const basic = Buffer.from((request.headers.get("authorization") ?? "").slice(6), "base64").toString()
        const proved = basic === `${clientId}:${clientSecret}` || form.get("client_secret") === clientSecret
        const known = codes.get(form.get("code") ?? "")
        codes.delete(form.get("code") ?? "")
        const challenge = createHash("sha256")
          .update(form.get("code_verifier") ?? "")
          .digest("base64url")
        if (
          !proved ||
          known === undefined ||
          known.challenge !== challenge ||
          known.redirect !== form.get("redirect_uri")
        ) {
          return Response.json({ error: "invalid_grant" }, { status: 400 })
        }
        // A provider says when it has asked who it is where it was told how old that may be (Core 1.0, 3.1.2.1).
        const authTime = "authTime" in flaws ? flaws.authTime : known.maxAge === null ? null : nowSeconds()
        const said = authTime === null ? {} : { auth_time: authTime }
        const idToken = await new SignJWT({ ...known.person, ...said, nonce: flaws.nonce ?? known.nonce })
          .setProtectedHeader({ alg: "ES256", kid: "provider-key" })
          .setIssuer(flaws.issuer ?? issuer)
          .setAudience(flaws.audience ?? clientId)
          .setIssuedAt()
          .setExpirationTime(flaws.lifetime ?? "5m")
          .sign(flaws.signWith ?? privateKey)
        return Response.json({ access_token: "opaque", token_type: "Bearer", expires_in: 300, id_token: idToken })
      }
      return new Response("not found", { status: 404 })
    },
  })
  return {
    issuer: `http://127.0.0.1:${server.port}`,
    be(next: Person, wrong: Flaws = {}) {
      person = next
      flaws = wrong
    },
    exchanges: () => exchanges,
    stop: () => server.stop(true),
  }
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000)

/** A port that is free now; the provider must know it before the server listens. */
const freePort = (): number => {
  const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = probe
  probe.stop(true)
  return port as number
}

for (const kind of databaseKinds) {
  describe(`single sign-on on ${kind}`, () => {
    let provider: Awaited<ReturnType<typeof startProvider>>
    let server: TestServer
    let owner: OperatorPage
    beforeAll(async () => {
      provider = await startProvider()
      const port = freePort()
      server = await startOn(kind, {
        WEIR_PORT: String(port),
        WEIR_PUBLIC_URL: `http://127.0.0.1:${port}`,
        WEIR_OIDC_ISSUER: provider.issuer,
        WEIR_OIDC_CLIENT_ID: clientId,
        WEIR_OIDC_CLIENT_SECRET: clientSecret,
        WEIR_OIDC_NAME: "Company login",
      })
      owner = await setUpOwner(server)
    })
    afterAll(async () => {
      await server.close()
      provider.stop()
    })

    const begin = async (page: OperatorPage, body: object = {}): Promise<URL> => {
      const { status, body: said } = await page.access("POST", "auth/sign-in/social", body)
      expect(status).toBe(200)
      return new URL(said.url)
    }
    /** As the browser goes: to the provider, and back with what it says. Answers where it ends. */
    const follow = async (page: OperatorPage, to: URL): Promise<string> => {
      const sent = await fetch(to, { redirect: "manual" })
      const back = new URL(sent.headers.get("location") ?? "")
      const headers = { "x-weir-dashboard": "", origin: "", "sec-fetch-site": "cross-site" }
      const path = `${back.pathname}${back.search}`.replace("/dashboard/api/", "")
      const { status, headers: answered } = await page.access("GET", path, undefined, headers)
      expect(status).toBe(302)
      return answered.get("location") ?? ""
    }
    const enter = async (page: OperatorPage): Promise<string> => follow(page, await begin(page))
    const who = async (page: OperatorPage) => (await page.admin("GET", "/me")).body.operator
    const invite = (email: string, role: string) =>
      server.call("POST", "/api/admin/v1/team/invites", { ...asAdmin, body: { email, role } })

    test("the page is told the provider's name, and the way there carries state, nonce and a challenge", async () => {
      const page = openPage(server.url, "")
      expect((await page.access("GET", "state")).body.sso).toEqual({ name: "Company login" })
      const to = await begin(page, {
        callbackURL: "https://evil.example/",
        provider: "google",
        idToken: { token: "x" },
      })
      expect(to.origin).toBe(provider.issuer)
      for (const name of ["state", "nonce", "code_challenge"])
        expect(to.searchParams.get(name)?.length).toBeGreaterThan(20)
      expect(to.searchParams.get("redirect_uri")).toBe(`${server.url}/dashboard/api/auth/callback/sso`)
      expect(to.searchParams.get("max_age")).toBe("0")
      expect(to.searchParams.get("scope")?.split(" ").sort()).toEqual(["email", "openid", "profile"])
      provider.be({ sub: "0", email: "owner@example.com", email_verified: true })
      expect(await follow(page, to)).toBe("/dashboard/")
    })

    test("an operator is let in by the address that the provider vouches for, and then by their name there", async () => {
      const page = openPage(server.url, "")
      provider.be({ sub: "olga", email: "Owner@Example.com", email_verified: true })
      expect(await enter(page)).toBe("/dashboard/")
      expect(await who(page)).toMatchObject({ email: "owner@example.com", role: "owner" })
      // The same person with another address by now: they are who they were.
      const later = openPage(server.url, "")
      provider.be({ sub: "olga", email: "olga@new.example.com", email_verified: true })
      await enter(later)
      expect(await who(later)).toMatchObject({ email: "owner@example.com" })
      const [entry] = (await owner.admin("GET", "/audit?limit=1")).body.entries
      expect(entry).toMatchObject({ action: "operator.logged_in", after: { method: "single sign-on" } })
    })

    test("nobody comes in who was not invited, or whose address nobody vouches for", async () => {
      for (const person of [
        { sub: "s1", email: "stranger@example.com", email_verified: true },
        { sub: "s2", email: "owner@example.com", email_verified: false },
        { sub: "s3", email: "owner@example.com" },
        { sub: "s4", email: "", email_verified: true },
      ]) {
        const page = openPage(server.url, "")
        provider.be(person)
        expect(await enter(page)).toStartWith("/dashboard/login?error=")
        expect((await page.admin("GET", "/me")).status).toBe(401)
      }
      expect((await invite("unproved@example.com", "viewer")).status).toBe(201)
      const page = openPage(server.url, "")
      provider.be({ sub: "s5", email: "unproved@example.com" })
      expect(await enter(page)).toStartWith("/dashboard/login?error=")
      expect((await owner.admin("GET", "/team")).body.operators).toHaveLength(1)
    })

    test("who was invited joins with the role of the invite, which is used up", async () => {
      const { body } = await invite("ines@example.com", "support")
      const page = openPage(server.url, "")
      provider.be({ sub: "ines", email: "ines@example.com", email_verified: true, name: "Ines" })
      expect(await enter(page)).toBe("/dashboard/")
      expect(await who(page)).toMatchObject({ email: "ines@example.com", name: "Ines", role: "support" })
      const token = body.link.split("#")[1]
      expect((await page.access("POST", "invite/read", { token })).status).toBe(400)
      // There is no password to prove it afresh with.
      const stepped = await page.access("POST", "step-up", { password: goodPassword })
      expect({ status: stepped.status, fields: stepped.body.exception_fields }).toEqual({
        status: 400,
        fields: { password: "there is none" },
      })
      page.cookies.clear()
      expect((await logIn({ ...page, email: "ines@example.com" })).status).toBe(401)
    })

    test("who is shut out stays out", async () => {
      const { operators } = (await owner.admin("GET", "/team")).body
      // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
      const { id } = operators.find(({ email }: any) => email === "ines@example.com")
      expect((await owner.admin("PATCH", `/team/${id}`, { disabled: true })).status).toBe(200)
      const page = openPage(server.url, "")
      provider.be({ sub: "ines", email: "ines@example.com", email_verified: true })
      const ended = await enter(page).catch(() => "refused")
      expect(ended).not.toBe("/dashboard/")
      expect((await page.admin("GET", "/me")).status).toBe(401)
    })

    test("an ID token that is forged, for somebody else, of another login or too old lets nobody in", async () => {
      const stranger = (await generateKeyPair("ES256")).privateKey
      for (const flaws of [
        { signWith: stranger },
        { issuer: "https://other.example.com" },
        { audience: "another-client" },
        { nonce: "another-login" },
        { lifetime: "-5m" },
      ] satisfies Flaws[]) {
        const page = openPage(server.url, "")
        provider.be({ sub: "olga", email: "owner@example.com", email_verified: true }, flaws)
        const end = await enter(page)
        expect({ flaws: Object.keys(flaws), end }).toEqual({
          flaws: Object.keys(flaws),
          end: expect.stringMatching(/^\/dashboard\/login\?error=/),
        })
        expect((await page.admin("GET", "/me")).status).toBe(401)
      }
    })

    /** When an authentication is as old as counts, and a little more, in seconds. */
    const bound = (): number => nowSeconds() - (limits.ssoAuthAgeMsMax + limits.ssoClockLeewayMs) / 1000
    const staleTimes: [name: string, authTime: unknown][] = [
      ["absent", null],
      ["too old", bound() - 5],
      ["of yesterday", nowSeconds() - 24 * 60 * 60],
      ["ahead of the clock", nowSeconds() + limits.ssoClockLeewayMs / 1000 + 300],
      ["in milliseconds", Date.now()],
      ["a text", String(nowSeconds())],
      ["no time", -1],
    ]
    const olga: Person = { sub: "olga", email: "owner@example.com", email_verified: true }
    const verifiedAtOf = async (page: OperatorPage): Promise<string | null> =>
      (await page.admin("GET", "/me")).body.session.verified_at
    /** Something that wants a fresh login. */
    const makeApp = (page: OperatorPage) => page.admin("POST", "/apps", { name: "by single sign-on" })

    test("a login proves afresh who it is where the provider has just asked, as of when it asked", async () => {
      const page = openPage(server.url, "")
      const authTime = bound() + 30
      provider.be(olga, { authTime })
      expect(await enter(page)).toBe("/dashboard/")
      expect(await verifiedAtOf(page)).toBe(new Date(authTime * 1000).toISOString())
      expect((await makeApp(page)).status).toBe(201)
      // A clock that is a little ahead moves no proof into the future.
      const ahead = openPage(server.url, "")
      provider.be(olga, { authTime: nowSeconds() + limits.ssoClockLeewayMs / 1000 - 5 })
      expect(await enter(ahead)).toBe("/dashboard/")
      expect(Date.parse((await verifiedAtOf(ahead)) ?? "")).toBeLessThanOrEqual(Date.now())
      expect((await makeApp(ahead)).status).toBe(201)
    })

    test("a login whose authentication is old, or of no known time, opens a session that proves nothing afresh", async () => {
      for (const [name, authTime] of staleTimes) {
        const page = openPage(server.url, "")
        provider.be(olga, { authTime })
        expect({ name, end: await enter(page) }).toEqual({ name, end: "/dashboard/" })
        expect({ name, who: await who(page) }).toEqual({ name, who: expect.objectContaining({ role: "owner" }) })
        expect({ name, verified: await verifiedAtOf(page) }).toEqual({ name, verified: null })
        const { status, body } = await makeApp(page)
        expect({ name, status, fields: body.exception_fields }).toEqual({
          name,
          status: 403,
          fields: { step_up: "required" },
        })
      }
      const page = openPage(server.url, "")
      provider.be(olga, { authTime: null })
      await enter(page)
      expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
      expect((await makeApp(page)).status).toBe(201)
    })

    test("whoever is logged in and comes back without a fresh authentication is told so, and is who they were", async () => {
      const page = openPage(server.url, "")
      provider.be(olga, { authTime: null })
      await enter(page)
      const session = (await page.admin("GET", "/me")).body.session.id
      for (const [name, authTime] of staleTimes) {
        provider.be(olga, { authTime })
        const end = new URL(await enter(page), server.url)
        expect({ name, path: end.pathname, error: end.searchParams.get("error") }).toEqual({
          name,
          path: "/dashboard/login",
          error: "login_not_fresh",
        })
        expect(end.searchParams.get("error_description")).toContain("password or a passkey")
        const { body } = await page.admin("GET", "/me")
        expect({ name, session: body.session }).toEqual({
          name,
          session: expect.objectContaining({ id: session, verified_at: null }),
        })
        expect((await makeApp(page)).status).toBe(403)
      }
      // Browsers keep the session's cookie to themselves on the way back: it is the way there that counts.
      const there = await begin(page)
      const away = openPage(server.url, "")
      for (const [name, value] of page.cookies) if (!name.endsWith("weir_session")) away.cookies.set(name, value)
      provider.be(olga, { authTime: null })
      expect(await follow(away, there)).toStartWith("/dashboard/login?error=login_not_fresh&")
      expect((await away.admin("GET", "/me")).status).toBe(401)

      provider.be(olga)
      expect(await enter(page)).toBe("/dashboard/")
      expect((await makeApp(page)).status).toBe(201)
    })

    test("a provider that is away keeps nobody from logging in by password, and is asked again", async () => {
      const own = await startProvider()
      own.stop()
      const port = freePort()
      const alone = await startOn(kind, {
        WEIR_PUBLIC_URL: `http://127.0.0.1:${port}`,
        WEIR_PORT: String(port),
        WEIR_OIDC_ISSUER: own.issuer,
        WEIR_OIDC_CLIENT_ID: clientId,
        WEIR_OIDC_CLIENT_SECRET: clientSecret,
      })
      try {
        const page = await setUpOwner(alone)
        const { status, body } = await page.access("POST", "auth/sign-in/social", {})
        expect({ status, code: body.code }).toEqual({ status: 503, code: -3 })
        expect((await logIn(page)).status).toBe(200)
      } finally {
        await alone.close()
      }
    })

    test("an answer that this browser did not ask for, or that came before, is none", async () => {
      provider.be({ sub: "olga", email: "owner@example.com", email_verified: true })
      const asker = openPage(server.url, "")
      const to = await begin(asker)
      const victim = openPage(server.url, "")
      expect(await follow(victim, to)).toContain("error=")
      expect((await victim.admin("GET", "/me")).status).toBe(401)
      const own = await begin(asker)
      const sent = await fetch(own, { redirect: "manual" })
      const back = new URL(sent.headers.get("location") ?? "")
      const path = `${back.pathname}${back.search}`.replace("/dashboard/api/", "")
      const headers = { "x-weir-dashboard": "", origin: "" }
      const first = await asker.access("GET", path, undefined, headers)
      expect(first.headers.get("location")).toBe("/dashboard/")
      const before = provider.exchanges()
      const second = await openPage(server.url, "").access("GET", path, undefined, headers)
      expect(second.headers.get("location")).toContain("error=")
      expect(provider.exchanges()).toBe(before)
      for (const query of ["", "?state=x", "?code=x&state=y", "?error=access_denied&state=x"]) {
        const answer = await asker.access("GET", `auth/callback/sso${query}`, undefined, headers)
        expect({ query, status: answer.status, to: answer.headers.get("location") }).toEqual({
          query,
          status: 302,
          to: expect.stringMatching(/^\/dashboard\/login/),
        })
      }
    })
  })
}
