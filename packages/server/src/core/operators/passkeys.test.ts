// Passkeys against an authenticator in software: what proves an operator, and what does not.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { type Authenticator, createAuthenticator, type Flaws } from "../../../test/authenticator.ts"
import { asAdmin, databaseKinds, startOn } from "../../../test/fixtures.ts"
import { joinAs, type OperatorPage, openPage, operatorIdOf, setUpOwner, tokenOf } from "../../../test/operator-page.ts"
import type { TestServer } from "../../testing.ts"
import { limits } from "./limits.ts"

setDefaultTimeout(60_000)

const sessionCookie = "__Host-weir_session"

for (const kind of databaseKinds) {
  describe(`passkeys on ${kind}`, () => {
    let server: TestServer
    /** The address that the passkeys belong to. */
    let url: string
    let owner: OperatorPage
    let device: Authenticator
    beforeAll(async () => {
      server = await startOn(kind)
      url = server.url.replace("127.0.0.1", "localhost")
      owner = await here(await setUpOwner(server))
      device = createAuthenticator()
      expect((await add(owner, device, "laptop")).status).toBe(200)
    })
    afterAll(() => server.close())

    /** The same operator at localhost. */
    const here = async (page: OperatorPage): Promise<OperatorPage> => {
      const moved = openPage(url, page.email)
      for (const [name, value] of page.cookies) moved.cookies.set(name, value)
      return moved
    }
    async function add(page: OperatorPage, authenticator: Authenticator, name: string, flaws: Flaws = {}) {
      const options = await page.access("GET", `auth/passkey/generate-register-options?name=${name}`)
      if (options.status !== 200) return options
      const response = authenticator.create(options.body, url, flaws)
      return page.access("POST", "auth/passkey/verify-registration", { response, name })
    }
    const prove = async (page: OperatorPage, authenticator: Authenticator, flaws: Flaws = {}, origin = url) => {
      const { body } = await page.access("GET", "auth/passkey/generate-authenticate-options")
      return page.access("POST", "auth/passkey/verify-authentication", {
        response: authenticator.get(body, origin, flaws),
      })
    }

    test("a passkey logs in by itself, and the authenticator is asked to check who uses it", async () => {
      const page = openPage(url, "")
      const options = await page.access("GET", "auth/passkey/generate-authenticate-options")
      expect(options.body).toMatchObject({ rpId: "localhost", userVerification: "required" })
      expect((await prove(page, device)).status).toBe(200)
      const me = (await page.admin("GET", "/me")).body
      expect(me).toMatchObject({ operator: { email: owner.email }, passkeys: 1 })
      const { entries } = (await page.admin("GET", "/audit?limit=10")).body
      expect(entries).toContainEqual(
        expect.objectContaining({ action: "operator.logged_in", after: { method: "passkey" } }),
      )
    })

    test("case 55: a counter that went back, or stood still, is a copy of the authenticator and is refused", async () => {
      expect((await prove(openPage(url, ""), device, { counter: 50 })).status).toBe(200)
      for (const counter of [50, 49, 1, 0]) {
        const page = openPage(url, "")
        const { status } = await prove(page, device, { counter })
        expect({ counter, in: status < 300, session: page.cookies.has(sessionCookie) }).toEqual({
          counter,
          in: false,
          session: false,
        })
      }
      expect((await prove(openPage(url, ""), device, { counter: 51 })).status).toBe(200)
    })

    test("an answer without a check of the user, for another place, forged or to another challenge is none", async () => {
      const flaws: Flaws[] = [
        { isUnverified: true },
        { rpId: "evil.example" },
        { isForged: true },
        { challenge: Buffer.from("another challenge").toString("base64url") },
      ]
      for (const [at, flaw] of flaws.entries()) {
        const page = openPage(url, "")
        const { status } = await prove(page, device, { ...flaw, counter: 100 + at })
        expect({ flaw, in: status < 300, session: page.cookies.has(sessionCookie) }).toEqual({
          flaw,
          in: false,
          session: false,
        })
      }
      const page = openPage(url, "")
      expect((await prove(page, device, { counter: 110 }, "http://evil.localhost")).status).toBeGreaterThanOrEqual(400)
      expect((await prove(page, createAuthenticator())).status).toBeGreaterThanOrEqual(400)
      expect((await prove(openPage(url, ""), device, { counter: 111 })).status).toBe(200)
    })

    test("an answer counts once, in the browser that asked", async () => {
      const page = openPage(url, "")
      const { body } = await page.access("GET", "auth/passkey/generate-authenticate-options")
      const response = device.get(body, url)
      const other = openPage(url, "")
      await other.access("GET", "auth/passkey/generate-authenticate-options")
      expect((await other.access("POST", "auth/passkey/verify-authentication", { response })).status).not.toBe(200)
      expect((await page.access("POST", "auth/passkey/verify-authentication", { response })).status).toBe(200)
      const again = openPage(url, "")
      for (const [name, value] of page.cookies) if (name !== sessionCookie) again.cookies.set(name, value)
      expect((await again.access("POST", "auth/passkey/verify-authentication", { response })).status).not.toBe(200)
    })

    test("case 58: a passkey makes a login fresh, with a session that takes the place of the old", async () => {
      const page = await here(owner)
      const before = page.cookies.get(sessionCookie)
      expect((await prove(page, device)).status).toBe(200)
      expect(page.cookies.get(sessionCookie)).not.toBe(before)
      const me = (await page.admin("GET", "/me")).body
      expect(Date.now() - Date.parse(me.session.verified_at)).toBeLessThan(10_000)
      const old = openPage(url, "")
      old.cookies.set(sessionCookie, before as string)
      expect((await old.admin("GET", "/me")).status).toBe(401)
      const { entries } = (await page.admin("GET", "/audit?limit=10")).body
      expect(entries.map(({ action }: { action: string }) => action)).toContain("operator.stepped_up")
      owner = page
    })

    test("adding needs a check of the user and this address; removing is the operator's own", async () => {
      expect((await add(owner, createAuthenticator(), "unchecked", { isUnverified: true })).status).not.toBe(200)
      expect((await add(owner, createAuthenticator(), "elsewhere", { rpId: "evil.example" })).status).not.toBe(200)
      const elsewhere = openPage(server.url, owner.email)
      for (const [name, value] of owner.cookies) elsewhere.cookies.set(name, value)
      expect((await elsewhere.access("GET", "auth/passkey/generate-register-options")).status).toBe(400)
      const [known] = (await owner.access("GET", "auth/passkey/list-user-passkeys")).body
      const viewer = await here(await joinAs(server, "viewer"))
      expect(
        (await viewer.access("POST", "auth/passkey/delete-passkey", { id: known.id })).status,
      ).toBeGreaterThanOrEqual(400)
      const renamed = await viewer.access("POST", "auth/passkey/update-passkey", { id: known.id, name: "mine" })
      expect(renamed.status).toBeGreaterThanOrEqual(400)
      expect((await viewer.access("GET", "auth/passkey/list-user-passkeys")).body).toEqual([])
      const second = createAuthenticator()
      expect((await add(owner, second, "phone")).status).toBe(200)
      const phone = (await owner.access("GET", "auth/passkey/list-user-passkeys")).body.find(
        ({ name }: { name: string }) => name === "phone",
      )
      expect((await owner.access("POST", "auth/passkey/delete-passkey", { id: phone.id })).status).toBe(200)
      expect((await prove(openPage(url, ""), second)).status).toBeGreaterThanOrEqual(400)
      expect((await openPage(url, "").access("GET", "auth/passkey/list-user-passkeys")).status).toBe(401)
    })

    test("case 56: of logins by passkeys, and of new ones, that are under way at a reset nothing is left", async () => {
      const page = await here(await joinAs(server, "support", "reset@example.com"))
      const id = await operatorIdOf(page)
      for (const password of [
        "nine blue herons in the reeds",
        "ten tall poplars in a row",
        "six wet stones in a brook",
      ]) {
        // As most that are synchronised: it does not count.
        const phone = createAuthenticator()
        expect((await add(page, phone, "phone", { counter: 0 })).status).toBe(200)
        const made = await server.call("POST", `/api/admin/v1/team/${id}/reset-link`, asAdmin)
        const others = Array.from({ length: 16 }, () => openPage(url, ""))
        let isReset = false
        const under = others.map(async (other, n) => {
          await Bun.sleep(n * 3)
          while (!isReset) await prove(other, phone, { counter: 0 })
        })
        const added = Array.from({ length: 6 }, async (_, n) => {
          await Bun.sleep(n * 7)
          const own = await here(page)
          while (!isReset) await add(own, createAuthenticator(), "left-behind")
        })
        await Bun.sleep(60)
        const fresh = openPage(url, page.email)
        const accepted = await fresh.access("POST", "invite/accept", {
          token: tokenOf(made.body.link),
          name: "",
          password,
        })
        isReset = true
        expect(accepted.status).toBe(200)
        await Promise.all([...under, ...added])
        for (const other of others) expect((await other.admin("GET", "/me")).status).toBe(401)
        expect((await fresh.access("GET", "auth/list-sessions")).body.sessions).toHaveLength(1)
        expect((await fresh.access("GET", "auth/passkey/list-user-passkeys")).body).toEqual([])
        for (const [name, value] of fresh.cookies) page.cookies.set(name, value)
      }
    })

    test("there is a bound to their number", async () => {
      const page = await here(await joinAs(server, "viewer", "collector@example.com"))
      for (let n = 0; n < limits.passkeysPerOperatorMax; n++) {
        expect((await add(page, createAuthenticator(), `key${n}`)).status).toBe(200)
      }
      expect((await add(page, createAuthenticator(), "one-more")).status).toBe(400)
    })
  })
}
