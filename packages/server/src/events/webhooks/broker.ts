// What the senders to message servers (Redis, NATS) share: kept connections, the time that an attempt has to open one and
// to send over it, and the bound on a body.

import type { Outgoing } from "../../base/outgoing.ts"
import { type Attempt, type AttemptEnd, createSender, refuse, type SenderParts } from "./attempt.ts"
import { type Connection, createConnections } from "./connections.ts"
import type { HookSender, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import type { WireAddress } from "./wire.ts"

export interface BrokerSenderOptions {
  /** Says which addresses may be connected to. Stays its owner's. */
  readonly outgoing: Outgoing
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string
}

/** What an attempt asks of a connection. Times are what is left of the attempt's, in milliseconds. */
export interface BrokerCall<Opened extends Connection> {
  /** Which connections of the app will do: all that `open` takes of the target. */
  readonly key: readonly unknown[]
  readonly open: (timeoutMs: number) => Promise<Opened>
  readonly send: (connection: Opened, timeoutMs: number) => Promise<AttemptEnd>
}

export interface BrokerParts<Target extends TargetOf<"redis" | "nats">, Opened extends Connection>
  extends Pick<SenderParts<Target>, "shownTarget" | "secretsOf" | "headersOf"> {
  /** An end when nothing can be asked of such a target. */
  readonly callOf: (attempt: Attempt<Target>) => Promise<AttemptEnd | BrokerCall<Opened>>
}

/** A sender for one kind of message server. `refused` is a body above limits.brokerBodyBytesMax. */
export function createBrokerSender<Target extends TargetOf<"redis" | "nats">, Opened extends Connection>(
  kind: Target["kind"],
  { callOf, ...parts }: BrokerParts<Target, Opened>,
): HookSender {
  const connections = createConnections<Opened>()
  return createSender<Target>(kind, {
    ...parts,
    async deliver(attempt) {
      const { appId, hook, body } = attempt.delivery
      const bytes = Buffer.byteLength(body)
      if (bytes > limits.brokerBodyBytesMax) {
        return refuse("too-big", `the body has ${bytes} bytes; at most ${limits.brokerBodyBytesMax} are sent`)
      }
      const call = await callOf(attempt)
      if ("result" in call) return call
      const endMs = performance.now() + hook.timeoutMs
      return connections.use(
        JSON.stringify([appId, ...call.key]),
        endMs,
        () => call.open(Math.min(hook.timeoutMs, limits.brokerConnectMsMax)),
        (connection) => call.send(connection, endMs - performance.now()),
      )
    },
    close: () => connections.close(),
  })
}

/** Host and port as a URL has them. */
export const shownAddress = ({ host, port }: WireAddress): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`
