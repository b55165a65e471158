import { ApiFailure, type CallOutput } from "../../api/client.ts"

export type Key = CallOutput<"GetKey">["key"]
export type Secret = Key["secrets"][number]
export type SecretState = Secret["state"]
export type Algorithm = Secret["alg"]
/** What the end of a secret would cut off, or has. */
export type CutOff = CallOutput<"UpdateSecret">["cut_off"]

export const labelCharsMax = 100
export const kidCharsMax = 64
export const importedSecretCharsMax = 512
export const publicKeyCharsMax = 4_096
/** How often a page that waits for tokens to run out asks again. */
export const waitEveryMs = 3_000
/** How often usage is read again while a page is open. */
export const usageEveryMs = 15_000

/** Whether the app has no such key; an address that could be no key's says it otherwise and means the same. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof ApiFailure && (error.status === 404 || error.status === 400)
