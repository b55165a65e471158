// How a socket is opened where the platform has WebSocket itself: browsers, React Native, Bun, Deno, edge.

/** The part of WebSocket (RFC 6455, WHATWG) that the client uses; `ws` has the same one. */
export interface Socket {
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: ((event: unknown) => void) | null
  onclose: ((event: { code: number; reason?: string }) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

/** Starts opening a socket. It may be handed back before it is open. */
export type OpenSocket = (url: string) => Socket | Promise<Socket>

/** Opens a socket with the platform's own WebSocket. */
export const openSocket: OpenSocket = (url) => {
  const { WebSocket } = globalThis as { WebSocket?: new (url: string) => unknown }
  if (WebSocket === undefined) throw new Error("this platform has no WebSocket")
  return new WebSocket(url) as Socket
}
