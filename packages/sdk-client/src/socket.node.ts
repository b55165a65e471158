// How a socket is opened in Node: its own WebSocket from version 22 on, the package `ws` before. The import is
// dynamic, so newer versions never load the package; browsers get socket.ts through the package's conditions.

import { limits } from "./limits.ts"
import type { OpenSocket, Socket } from "./socket.ts"

export type { OpenSocket, Socket } from "./socket.ts"

/** Opens a socket. Rejects when neither the platform nor the package `ws` can. */
export const openSocket: OpenSocket = async (url) => {
  if (typeof globalThis.WebSocket === "function") return new WebSocket(url) as unknown as Socket
  const { WebSocket: NodeWebSocket } = await import("ws")
  return new NodeWebSocket(url, {
    maxPayload: limits.frameBytesMax,
    handshakeTimeout: limits.handshakeTimeoutMs,
    perMessageDeflate: false,
  })
}
