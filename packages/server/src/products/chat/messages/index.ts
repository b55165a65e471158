export { createMessages, type Messages } from "./cache.ts"
export { userMessagesDeleted } from "./events.ts"
export { limits as messageLimits } from "./limits.ts"
export { migrations as messageMigrations } from "./migrations.ts"
export { type BeforeSend, type MessageParts, mayContain, messageRoutes, postMessage } from "./routes.ts"
export { composeMessage, messageContent, messagePage, messageResponse, peopleIn } from "./rules.ts"
export {
  deleteMessagesIn,
  type MessagePage,
  type MessageRow,
  type Sweep,
  selectLastMessage,
  selectMessage,
  selectPage,
  selectUnswept,
  sweepMessages,
} from "./store.ts"
