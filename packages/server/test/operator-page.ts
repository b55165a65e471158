// An operator as the dashboard's page is one: a jar of cookies, and requests marked as the page marks them.

import { expect } from "bun:test"
import { createHmac } from "node:crypto"
import type { OperatorRole } from "@weir/protocol"
import type { Answer, TestServer } from "../src/testing.ts"
import { asAdmin } from "./fixtures.ts"

export const goodPassword = "seven green boats on a lake"

export interface OperatorPage {
  readonly email: string
  readonly cookies: Map<string, string>
  /** What the last answers set, as they came. */
  readonly setCookies: string[]
  /** To an endpoint below /dashboard/api. */
  access(method: "GET" | "POST", path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** To an operation of the management API. */
  admin(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

/** A page that nobody is logged in at. `headers` go with every request; empty ones leave a header out. */
export function openPage(url: string, email: string, headers: Record<string, string> = {}): OperatorPage {
  const cookies = new Map<string, string>()
  const setCookies: string[] = []
  const send = async (
    method: string,
    path: string,
    body: unknown,
    more: Record<string, string> = {},
  ): Promise<Answer> => {
    const own = {
      "x-weir-dashboard": "1",
      origin: url,
      "sec-fetch-site": "same-origin",
      cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
      ...more,
    }
    const response = await fetch(url + path, {
      method,
      headers: Object.fromEntries(Object.entries(own).filter(([, value]) => value !== "")),
      redirect: "manual",
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      setCookies.push(cookie)
      const [pair = ""] = cookie.split(";")
      const equals = pair.indexOf("=")
      if (/max-age=0(;|$)/i.test(cookie)) cookies.delete(pair.slice(0, equals))
      else cookies.set(pair.slice(0, equals), pair.slice(equals + 1))
    }
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
  }
  return {
    email,
    cookies,
    setCookies,
    access: (method, path, body, more) => send(method, `/dashboard/api/${path}`, body, more),
    admin: (method, path, body, more) => send(method, `/api/admin/v1${path}`, body, more),
  }
}

export const tokenOf = (link: string): string => link.slice(link.indexOf("#") + 1)

/** The first operator, by the link that the server made when it started. */
export async function setUpOwner(server: TestServer, email = "owner@example.com"): Promise<OperatorPage> {
  const page = openPage(server.url, email)
  const token = tokenOf(server.server.setupPath ?? "")
  const { status } = await page.access("POST", "setup", { token, name: "Olga", email, password: goodPassword })
  expect(status).toBe(200)
  return page
}

/** Somebody who was invited and has joined. */
export async function joinAs(
  server: TestServer,
  role: OperatorRole,
  email = `${role}@example.com`,
): Promise<OperatorPage> {
  const invited = await server.call("POST", "/api/admin/v1/team/invites", { ...asAdmin, body: { email, role } })
  expect(invited.status).toBe(201)
  const page = openPage(server.url, email)
  const body = { token: tokenOf(invited.body.link), name: `A ${role}`, password: goodPassword }
  expect((await page.access("POST", "invite/accept", body)).status).toBe(200)
  return page
}

export const logIn = (page: OperatorPage, password = goodPassword): Promise<Answer> =>
  page.access("POST", "auth/sign-in/email", { email: page.email, password })

export const operatorIdOf = async (page: OperatorPage): Promise<string> =>
  (await page.admin("GET", "/me")).body.operator.id

/** An authenticator app: the code of a time step (RFC 6238), from the address that it scans. Independent of the server. */
export function codeOf(totpUri: string, step: number): string {
  const secret = fromBase32(new URL(totpUri).searchParams.get("secret") ?? "")
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac("sha1", secret).update(counter).digest()
  const number = mac.readUInt32BE((mac[19] as number) & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, "0")
}
export const stepNow = (): number => Math.floor(Date.now() / 30_000)

function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((char) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(char).toString(2).padStart(5, "0"))
    .join("")
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [])
}

/**
 * Adds an authenticator app: what it scanned, the recovery codes, and the step whose code is used up. That is the one
 * before now where there is time, so that those of now and the next are left.
 */
export async function addTotp(page: OperatorPage): Promise<{ uri: string; recoveryCodes: string[]; usedStep: number }> {
  const made = await page.access("POST", "auth/two-factor/enable", { password: goodPassword })
  expect(made.status).toBe(200)
  const uri = made.body.totpURI as string
  for (const attempt of [1, 2]) {
    const usedStep = stepNow() - 1
    const { status } = await page.access("POST", "auth/two-factor/verify-totp", { code: codeOf(uri, usedStep) })
    if (status === 200) return { uri, recoveryCodes: made.body.backupCodes, usedStep }
    // A new step began meanwhile, which happens once in thirty seconds.
    expect({ attempt, status }).toEqual({ attempt: 1, status: 400 })
  }
  throw new Error("unreachable")
}
