// What tests of outgoing requests share: a request, and what became of it.

import { OutgoingError, type OutgoingFault, type OutgoingRequest, type OutgoingResponse } from "../src/base/outgoing.ts"

/** A small POST. */
export const requestTo = (url: string, more: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  url,
  method: "POST",
  headers: { "content-type": "application/json" },
  body: "{}",
  timeoutMs: 3_000,
  responseBytesMax: 1_000,
  ...more,
})

/** The error that a request ends with; throws when it ends otherwise. */
export async function errorOf(sent: Promise<unknown>): Promise<OutgoingError> {
  const error: unknown = await sent.then(
    (value) => new Error(`was answered: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof OutgoingError)) throw error
  return error
}

export const faultOf = async (sent: Promise<unknown>): Promise<OutgoingFault> => (await errorOf(sent)).fault

export const textOf = ({ body }: OutgoingResponse): string => new TextDecoder().decode(body)
