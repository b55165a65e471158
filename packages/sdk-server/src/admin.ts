// The management API, for scripts of operators: every operation of the protocol whose caller is an operator, typed by
// it, and receipts that can be proved without asking anybody.

import * as protocol from "@weir/protocol"
import { baseUrlOf } from "../../sdk-client/src/base-url.ts"
import { createRest, type Fetch, type QueryValue, type RestRequest } from "../../sdk-client/src/rest.ts"
import { systemTimers, type Timers } from "../../sdk-client/src/timers.ts"
import { limits } from "./limits.ts"
import { version } from "./version.ts"

export interface WeirAdminOptions {
  /** The server's WEIR_ADMIN_TOKEN. */
  adminToken: string
  /** Address of the server. Without it: the environment's WEIR_URL, else 127.0.0.1:3030. */
  baseUrl?: string
  timeoutMs?: number
  /** Parts that tests and unusual platforms replace. */
  fetch?: Fetch
  timers?: Timers
}

/** What an operation is called with; members that it does not have may be left out. */
export type AdminInput<Op extends protocol.Operation> = Partial<protocol.InputOf<Op>>

export interface WeirAdmin {
  /** Calls an operation of the management API. Rejects with WeirApiError or WeirTransportError. */
  call<Op extends protocol.Operation>(operation: Op, input?: AdminInput<Op>): Promise<protocol.OutputOf<Op>>
}

/** A caller with the operator's token. Throws TypeError when it is missing. */
export function createWeirAdmin(options: WeirAdminOptions): WeirAdmin {
  const { adminToken } = options
  if (typeof adminToken !== "string" || adminToken === "") throw new TypeError("adminToken is missing")
  const rest = createRest({
    baseUrl: baseUrlOf(options.baseUrl),
    apiKey: "",
    clientTag: `weir-sdk-server-${version}`,
    timeoutMs: options.timeoutMs ?? limits.requestTimeoutMs,
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    timers: options.timers ?? systemTimers,
  })
  const auth = { kind: "jwt", token: async () => `Bearer ${adminToken}`, replace: null } as const
  return {
    call: <Op extends protocol.Operation>(operation: Op, input: AdminInput<Op> = {}) => {
      if (!operation.access.includes("operator")) throw new TypeError(`${operation.name} is not for operators`)
      const request: RestRequest = {
        method: operation.method,
        path: pathOf(operation, (input.path ?? {}) as Record<string, unknown>),
        query: (input.query ?? {}) as Record<string, QueryValue>,
        ...(input.body === undefined ? {} : { body: input.body as object }),
      }
      return rest.call<protocol.OutputOf<Op>>(request, auth)
    },
  }
}

/** Puts the values into the template, each escaped, so that an id can never reach into another segment. */
function pathOf({ path, name }: protocol.Operation, values: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, parameter: string) => {
    const value = values[parameter]
    if ((typeof value !== "string" && typeof value !== "number") || value === "" || value === "." || value === "..") {
      throw new TypeError(`${name} needs ${parameter}`)
    }
    return encodeURIComponent(value)
  })
}

/** A receipt as the server gave it (protocol, Receipt). */
export type Receipt = { readonly key_id: string; readonly signature: string } & Readonly<Record<string, unknown>>

export interface ReceiptKey {
  readonly key_id: string
  /** SPKI in PEM. */
  readonly public_key: string
}

/**
 * Whether a receipt is as it was signed, by one of these keys (`/.well-known/weir-receipt-keys.json`, noted before).
 * Asks nobody. False for anything that is no such receipt.
 */
export async function verifyReceipt(receipt: Receipt, keys: readonly ReceiptKey[]): Promise<boolean> {
  const key = keys.find(({ key_id }) => key_id === receipt.key_id)
  if (key === undefined || typeof receipt.signature !== "string") return false
  const { signature, ...signed } = receipt
  try {
    const text = protocol.canonicalJson(signed as protocol.CanonicalValue)
    const der = bytesOf(key.public_key.replace(/-----[^-]+-----|\s/g, ""))
    const publicKey = await crypto.subtle.importKey("spki", der, { name: "Ed25519" }, false, ["verify"])
    const made = bytesOf(signature.replaceAll("-", "+").replaceAll("_", "/"))
    return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, made, new TextEncoder().encode(text))
  } catch {
    return false
  }
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
