// Passkeys: the browser's half of WebAuthn (Level 3), over the server's endpoints. The library is loaded when needed.

import { requestJson } from "../api/client.ts"

const base = "/dashboard/api/auth/passkey"

/** Whether this browser can do it here. */
export const canUsePasskeys = (): boolean => "PublicKeyCredential" in window && window.isSecureContext

/** Logs in, or proves a login afresh, with a passkey of this device. Throws when the operator gives up. */
export async function logInWithPasskey(): Promise<void> {
  const { startAuthentication } = await import("@simplewebauthn/browser")
  const optionsJSON = await requestJson("GET", `${base}/generate-authenticate-options`)
  const response = await startAuthentication({ optionsJSON: optionsJSON as never })
  await requestJson("POST", `${base}/verify-authentication`, { response })
}

/** Makes a passkey for the operator who is logged in. */
export async function addPasskey(name: string): Promise<void> {
  const { startRegistration } = await import("@simplewebauthn/browser")
  const optionsJSON = await requestJson("GET", `${base}/generate-register-options?name=${encodeURIComponent(name)}`)
  const response = await startRegistration({ optionsJSON: optionsJSON as never })
  await requestJson("POST", `${base}/verify-registration`, { response, name })
}
