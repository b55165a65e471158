// Who made a request, as the events that it causes tell backends (contract/chat.md §5.4, `request_info`).

import type { AppCaller } from "@weir/protocol"
import type { Tx } from "../store/database.ts"

/** By its wire names. What the caller did not say is empty. */
export interface RequestInfo {
  /** Whether the call was made with a user's credentials or with the app's own. */
  readonly type: "client" | "server"
  readonly ip: string
  readonly user_agent: string
  /** What the client library calls itself (`X-Stream-Client`). */
  readonly sdk: string
}

/** Characters of what a caller says of itself; the rest is cut. */
const saidCharsMax = 256

/** What is known of a request. `address` is asked for, because finding it out costs a little. */
export const requestInfoOf = (
  principal: AppCaller,
  headers: Headers,
  peer: { readonly address: string },
): RequestInfo => ({
  type: principal.kind === "server" ? "server" : "client",
  ip: peer.address,
  user_agent: said(headers.get("user-agent")),
  sdk: said(headers.get("x-stream-client")),
})

// A cut in the middle of a surrogate pair would leave a half that no encoding of UTF-8 holds.
const said = (value: string | null): string => value?.slice(0, saidCharsMax).toWellFormed() ?? ""

const byTx = new WeakMap<Tx, () => RequestInfo>()

/** Says for whom a transaction runs. Most transactions cause no event that anybody wants, so nothing is made here. */
export const setRequestInfo = (tx: Tx, info: () => RequestInfo): void => {
  byTx.set(tx, info)
}

/** Of the request that a transaction belongs to; undefined for what tasks and time do. */
export const requestInfoIn = (tx: Tx): RequestInfo | undefined => byTx.get(tx)?.()
