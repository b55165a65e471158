// The public surface of @weir/chat.

export { WeirApiError, WeirConnectionError, WeirTransportError } from "../../sdk-client/src/errors.ts"
export type { TokenOrProvider, TokenProvider } from "../../sdk-client/src/tokens.ts"
export type * from "../../sdk-client/src/wire.ts"
export type { ChatChannel, ChatEvent, ChatListener, FlatAnswer, Subscription } from "./channel.ts"
export { type ChatUser, type ConnectAnswer, StreamChat, type StreamChatOptions } from "./client.ts"
export type { SortInput } from "./dialect.ts"
export { version } from "./version.ts"
