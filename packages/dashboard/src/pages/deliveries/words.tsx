// How deliveries and their attempts are spoken of.

import { Badge, Group, Text } from "@mantine/core"
import type { CallInput, CallOutput } from "../../api/client.ts"
import { msText } from "../traffic/series.ts"

export type Delivery = CallOutput<"ListDeliveries">["deliveries"][number]
export type Attempt = CallOutput<"ReadDelivery">["delivery"]["log"][number]
export type DeliveryFilter = Omit<NonNullable<CallInput<"ListDeliveries">["query"]>, "limit" | "next">

const faultTexts: Readonly<Record<string, string>> = {
  attempts: "given up after the last attempt",
  auth: "its credentials were refused",
  closing: "the node was going down",
  connect: "no connection",
  gone: "gone (410)",
  internal: "a fault in this server",
  "not-found": "there is no such queue, topic or stream",
  protocol: "an answer that makes no sense",
  redirect: "a redirect, which is not followed",
  "refused-address": "an address that may not be called",
  "refused-url": "a URL that may not be called",
  rejected: "the service refused it",
  reset: "the connection broke off",
  status: "a status that is no success",
  throttled: "too many requests",
  timeout: "no answer in time",
  tls: "no trusted connection (TLS)",
  "too-big": "too big",
}

/** A fault in words; one that is not known here stays the word that it is. */
export const faultText = (fault: string): string => faultTexts[fault] ?? fault

const stateLooks = {
  pending: { color: "yellow", word: "waiting" },
  delivered: { color: "teal", word: "delivered" },
  dead: { color: "red", word: "dead" },
} as const

export function DeliveryState({ delivery }: { delivery: Pick<Delivery, "state" | "attempts" | "source"> }) {
  const { color, word } = stateLooks[delivery.state]
  return (
    <Group gap={6} wrap="nowrap">
      <Badge variant="light" color={color}>
        {word}
      </Badge>
      {delivery.source === "test" ? (
        <Badge variant="light" color="gray">
          test
        </Badge>
      ) : null}
    </Group>
  )
}

/** What came of the last attempt, in a few words. */
export function outcomeText({ status, fault, state, attempts }: Delivery): string {
  if (attempts === 0 && state === "pending") return "not tried yet"
  const answered = status === null ? "" : String(status)
  if (fault === null) return answered === "" ? "delivered" : answered
  const said = faultText(fault)
  return answered === "" || fault === "gone" ? said : `${answered}: ${said}`
}

/** What came of one attempt. */
export function AttemptSummary({ attempt }: { attempt: Attempt }) {
  const { response, fault, detail, duration_ms } = attempt
  return (
    <>
      <Text size="sm">
        {fault === null ? "Delivered" : `Failed: ${faultText(fault)}`}
        {response?.status == null || fault === "gone" ? "" : `, status ${response.status}`}, after {msText(duration_ms)}
      </Text>
      {detail === null ? null : (
        <Text size="sm" c="dimmed" className="weir-break">
          {detail}
        </Text>
      )}
    </>
  )
}

const checkLooks = {
  right: { color: "teal", word: "valid" },
  wrong: { color: "red", word: "invalid" },
  unknown: { color: "gray", word: "cannot be told" },
  absent: { color: "gray", word: "not signed" },
} as const

/** Whether a signature is right: made anew from the body and the secrets as they are now. */
export function SignatureCheck({ is, isThere }: { is: boolean | null; isThere: boolean }) {
  const { color, word } = checkLooks[!isThere ? "absent" : is === null ? "unknown" : is ? "right" : "wrong"]
  return (
    <Badge variant="light" color={color}>
      {word}
    </Badge>
  )
}
