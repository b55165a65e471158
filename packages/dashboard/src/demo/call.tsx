// The lobby of a call as one user sees it: ringing, being rung, who is there. The answer to a ring, and leaving, are
// events of the app's own in the channel that both watch.

import { Avatar, Badge, Button, Group, Stack, Text } from "@mantine/core"
import { DeviceCameraVideoIcon } from "@primer/octicons-react"
import type { CallMember, CallState } from "@weir/sdk-client"
import { useEffect, useState } from "react"
import type { SideProps } from "./chat.tsx"

type Step = "idle" | "calling" | "rung" | "in" | "left"
/** What the two tell each other. */
const answers = { accepted: "call-accepted", rejected: "call-rejected", left: "call-left" } as const
type Told = keyof typeof answers

interface Lobby {
  readonly step: Step
  readonly callId: string | null
  readonly members: readonly CallMember[]
  /** Ids of those who came in. */
  readonly present: readonly string[]
  /** Whether the server lets this user end the call for both; who may not can leave it. */
  readonly mayEnd: boolean
}
const empty: Lobby = { step: "idle", callId: null, members: [], present: [], mayEnd: false }

const mayEnd = ({ own_capabilities }: CallState): boolean => own_capabilities.includes("end-call")

export function CallSide({ me, other, places, session }: SideProps) {
  const [lobby, setLobby] = useState<Lobby>(empty)
  const [busy, setBusy] = useState(false)
  const { client } = me

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new session hears anew
  useEffect(() => {
    const channel = client.channel(places.channelType, places.channelId)
    const idOf = (cid: string): string => cid.slice(places.callType.length + 1)
    const hear = (event: object, told: Told): void => {
      const { user, custom } = event as { user?: { id: string }; custom?: { call_id?: string } }
      if (user?.id !== other.id) return
      me.say(told === "accepted" ? "good" : "info", `${other.name} ${told} the call`)
      setLobby((now) => {
        if (custom?.call_id !== now.callId) return now
        if (told === "accepted") return { ...now, step: "in", present: [me.id, other.id] }
        return told === "rejected" || now.step === "rung" ? empty : { ...now, step: "left", present: [me.id] }
      })
    }
    const ends = [
      client.on("call.ring", ({ call_cid: cid, members, user }) => {
        if (user.id === me.id) return
        me.say("info", "call.ring")
        setLobby({ ...empty, step: "rung", callId: idOf(cid), members, present: [user.id] })
      }),
      client.on("call.ended", ({ call_cid: cid }) => {
        me.say("info", "call.ended")
        setLobby((now) => (now.callId === idOf(cid) ? empty : now))
      }),
      ...(Object.keys(answers) as Told[]).map((told) => channel.on(answers[told], (event) => hear(event, told))),
    ]
    return () => {
      for (const end of ends) end()
    }
  }, [client, me, other, places, session])

  const act = async (what: string, run: () => Promise<void>): Promise<void> => {
    setBusy(true)
    await me.attempt(what, run)
    setBusy(false)
  }
  const tell = (told: Told, callId: string) =>
    client.operations.channels.sendEvent(places.channelType, places.channelId, {
      type: answers[told],
      custom: { call_id: callId },
    })
  const ring = () =>
    act("Not rung", async () => {
      const callId = `${places.callPrefix}${crypto.randomUUID().slice(0, 8)}`
      const call = await client.call(places.callType, callId).getOrCreate({
        ring: true,
        watch: true,
        data: { members: [{ user_id: me.id }, { user_id: other.id }] },
      })
      setLobby({ step: "calling", callId, members: call.members, present: [me.id], mayEnd: mayEnd(call) })
    })
  const accept = (callId: string) =>
    act("Not accepted", async () => {
      const call = await client.call(places.callType, callId).get({ watch: true })
      await tell("accepted", callId)
      setLobby({ step: "in", callId, members: call.members, present: [me.id, other.id], mayEnd: mayEnd(call) })
    })
  const reject = (callId: string) =>
    act("Not rejected", async () => {
      await tell("rejected", callId)
      setLobby(empty)
    })
  const leave = (callId: string) =>
    act("Not left", async () => {
      await tell("left", callId)
      setLobby(empty)
    })
  const end = (callId: string) =>
    act("Not ended", async () => {
      await client.call(places.callType, callId).end()
      setLobby(empty)
    })

  const { step, callId, members, present } = lobby
  return (
    <Stack align="center" justify="center" gap="md" mih={320}>
      <Text fw={600} role="status">
        {sentences[step](other.name)}
      </Text>
      {members.length > 0 ? (
        <Group justify="center" gap="xl">
          {members.map(({ user_id: id, user, role }) => (
            <Stack key={id} align="center" gap={4}>
              <Avatar name={user.name ?? id} color="initials" radius="xl" size="lg" />
              <Text size="sm">{user.name ?? id}</Text>
              <Badge size="sm" variant="light" color={present.includes(id) ? "teal" : "gray"}>
                {present.includes(id) ? "in the lobby" : step === "left" ? "left" : "rung"}
              </Badge>
              <Text size="xs" c="dimmed">
                {role ?? "member"}
              </Text>
            </Stack>
          ))}
        </Group>
      ) : null}
      <Group justify="center">
        {step === "idle" ? (
          <Button leftSection={<DeviceCameraVideoIcon />} loading={busy} onClick={() => void ring()}>
            Ring {other.name}
          </Button>
        ) : null}
        {step === "rung" && callId !== null ? (
          <>
            <Button color="green.9" loading={busy} onClick={() => void accept(callId)}>
              Accept
            </Button>
            <Button color="red" variant="light" disabled={busy} onClick={() => void reject(callId)}>
              Reject
            </Button>
          </>
        ) : null}
        {step !== "idle" && step !== "rung" && callId !== null ? (
          <Button
            color="red"
            variant="light"
            loading={busy}
            onClick={() => void (lobby.mayEnd ? end(callId) : leave(callId))}
          >
            {lobby.mayEnd ? "End the call" : "Leave"}
          </Button>
        ) : null}
      </Group>
    </Stack>
  )
}

const sentences: Record<Step, (other: string) => string> = {
  idle: () => "No call",
  calling: (other) => `Ringing ${other}…`,
  rung: (other) => `${other} rings`,
  in: (other) => `In the lobby with ${other}`,
  left: (other) => `${other} left`,
}
