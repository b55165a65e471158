// Saves what the server or the page made as a file.

import { ApiFailure, addressOf, type CallInput, listeners, type OperationName } from "./client.ts"

/** An export may hold a great deal. */
const exportTimeoutMs = 10 * 60_000

/** Hands a text to the browser as a file. */
export function saveText(fileName: string, text: string, type = "application/json"): void {
  saveBlob(fileName, new Blob([text], { type }))
}

function saveBlob(fileName: string, blob: Blob): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement("a")
  link.href = url
  link.download = fileName
  link.click()
  // The browser has taken hold of the content by the next turn of its loop.
  setTimeout(() => URL.revokeObjectURL(url), 0)
}

/**
 * Saves the answer of an operation that answers in lines. When it wants a fresh login the operator is asked for it once.
 * Throws ApiFailure.
 */
export async function download<Name extends OperationName>(
  name: Name,
  input: CallInput<Name>,
  fileName: string,
): Promise<void> {
  const address = addressOf(name, input)
  let blob: Blob
  try {
    blob = await fetchBlob(address)
  } catch (error) {
    if (!(error instanceof ApiFailure) || !error.needsStepUp || !(await listeners.stepUp())) throw error
    blob = await fetchBlob(address)
  }
  saveBlob(fileName, blob)
}

async function fetchBlob(address: string): Promise<Blob> {
  let response: Response
  try {
    response = await fetch(address, {
      headers: { "x-weir-dashboard": "1" },
      credentials: "same-origin",
      signal: AbortSignal.timeout(exportTimeoutMs),
    })
    if (response.ok) return await response.blob()
  } catch {
    throw new ApiFailure(0, 0, "The export broke off before its end. Try again; nothing was saved.", {}, null)
  }
  if (response.status === 401) listeners.signedOut()
  const envelope = (await response.json().catch(() => ({}))) as {
    code?: number
    message?: string
    exception_fields?: Record<string, unknown>
  }
  throw new ApiFailure(
    response.status,
    envelope.code ?? 0,
    envelope.message ?? `The server answered ${response.status}.`,
    envelope.exception_fields ?? {},
    response.headers.get("x-decision-id"),
  )
}
