// The little of the package `ws` that socket.node.ts uses; the package ships without types.
declare module "ws" {
  import type { Socket } from "./socket.ts"

  interface Options {
    maxPayload: number
    handshakeTimeout: number
    perMessageDeflate: boolean
  }

  export const WebSocket: new (url: string, options: Options) => Socket
}
