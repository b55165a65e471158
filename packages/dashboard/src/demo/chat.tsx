// A channel as one user sees it: messages, who types, who has read how far.

import { Badge, Box, Button, Group, Paper, ScrollArea, Stack, Text, TextInput } from "@mantine/core"
import type { Message } from "@weir/sdk-client"
import { type FormEvent, useEffect, useMemo, useRef, useState } from "react"
import { later, merge } from "./merge.ts"
import type { DemoPlaces } from "./server.ts"
import type { DemoUser } from "./user.ts"

const messagesShownMax = 30
const messageCharsMax = 500
const typingShownMs = 7_000

export interface SideProps {
  me: DemoUser
  other: DemoUser
  places: DemoPlaces
  /** Changes whenever what was watched must be watched anew. */
  session: number
}

export function Chat({ me, other, places, session }: SideProps) {
  const [messages, setMessages] = useState<readonly Message[]>([])
  /** When each of the two has read last; empty: never. */
  const [othersRead, setOthersRead] = useState("")
  const [ownRead, setOwnRead] = useState("")
  const [isTyping, setTyping] = useState(false)
  const [text, setText] = useState("")
  const viewport = useRef<HTMLDivElement>(null)
  const channel = useMemo(
    () => me.client.channel(places.channelType, places.channelId, { members: [me.id, other.id] }),
    [me, other, places],
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new session watches anew
  useEffect(() => {
    let left = false
    let typingTimer: ReturnType<typeof setTimeout> | undefined
    const typing = (isOn: boolean): void => {
      clearTimeout(typingTimer)
      setTyping(isOn)
      if (isOn) typingTimer = setTimeout(() => setTyping(false), typingShownMs)
    }
    const read = (userId: string, at: string): void => {
      const setRead = userId === me.id ? setOwnRead : userId === other.id ? setOthersRead : null
      setRead?.((before) => later(before, at))
    }
    const load = async (): Promise<void> => {
      const state = await me.attempt("The channel did not open", () =>
        channel.watch({ messages: { limit: messagesShownMax }, presence: true }),
      )
      if (state === null || left) return
      setMessages((shown) => merge(shown, state.messages, messagesShownMax))
      for (const { user, last_read } of state.read ?? []) read(user.id, last_read)
    }
    const ends = [
      channel.on("message.new", ({ message }) => {
        setMessages((shown) => merge(shown, [message], messagesShownMax))
        if (message.user.id === me.id) return
        typing(false)
        me.say("info", "message.new")
      }),
      channel.on("typing.start", ({ user }) => {
        if (user.id === other.id) typing(true)
      }),
      channel.on("typing.stop", ({ user }) => {
        if (user.id === other.id) typing(false)
      }),
      channel.on("message.read", ({ user, created_at = "" }) => read(user.id, created_at)),
      // All that the other side learns of a failure: somebody went, and not why.
      me.client.on("user.presence.changed", ({ user }) => {
        if (user.id === other.id) me.say("info", `${other.name} is ${user.online ? "online again" : "offline"}`)
      }),
      me.client.on("connection.recovered", () => void load()),
    ]
    void load()
    return () => {
      left = true
      clearTimeout(typingTimer)
      for (const end of ends) end()
    }
  }, [channel, me, other, session])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the newest message is scrolled to
  useEffect(() => {
    viewport.current?.scrollTo({ top: viewport.current.scrollHeight })
  }, [messages.length])

  const unread = messages.filter(({ user, created_at }) => user.id !== me.id && created_at > ownRead).length
  const newest = messages.at(-1)?.created_at ?? ""
  const markRead = (): void => {
    if (unread === 0) return
    void me
      .attempt("Not marked as read", () => channel.markRead())
      .then((done) => {
        if (done !== null) setOwnRead((before) => later(before, newest))
      })
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const written = text.trim()
    if (written === "") return
    setText("")
    void me.attempt("Not sent", () => channel.sendMessage({ text: written }))
  }
  const lastOwn = messages.findLast(({ user }) => user.id === me.id)
  const isSeen = lastOwn !== undefined && lastOwn.created_at <= othersRead
  return (
    <Stack gap="xs">
      <ScrollArea
        h={240}
        type="auto"
        viewportRef={viewport}
        viewportProps={{ tabIndex: 0, role: "log", "aria-label": `Messages as ${me.name} sees them` }}
      >
        <Stack gap={6} p={4} pr="md">
          {messages.length === 0 ? (
            <Text size="sm" c="dimmed" ta="center" py="xl">
              No message yet. Write the first one below.
            </Text>
          ) : null}
          {messages.map((message) => (
            <Bubble key={message.id} message={message} isOwn={message.user.id === me.id} />
          ))}
        </Stack>
      </ScrollArea>
      <Group justify="space-between" h={24} wrap="nowrap">
        <Text size="xs" c="dimmed" role="status">
          {isTyping ? `${other.name} is typing…` : isSeen ? `Read by ${other.name}` : ""}
        </Text>
        {unread > 0 ? (
          <Button size="compact-xs" variant="light" onClick={markRead}>
            Mark {unread} as read
          </Button>
        ) : null}
      </Group>
      <form onSubmit={submit}>
        <Group gap="xs" wrap="nowrap">
          <TextInput
            aria-label={`Message from ${me.name}`}
            placeholder="Write a message"
            value={text}
            maxLength={messageCharsMax}
            onFocus={markRead}
            onChange={(event) => {
              setText(event.currentTarget.value)
              void me.attempt("Typing not sent", () => channel.keystroke())
            }}
            style={{ flex: 1 }}
            autoComplete="off"
          />
          <Button type="submit" disabled={text.trim() === ""}>
            Send
          </Button>
        </Group>
      </form>
    </Stack>
  )
}

const Bubble = ({ message, isOwn }: { message: Message; isOwn: boolean }) => (
  <Box style={{ alignSelf: isOwn ? "flex-end" : "flex-start", maxWidth: "85%" }}>
    {isOwn ? null : (
      <Badge size="xs" variant="transparent" color="gray" px={4}>
        {message.user.name ?? message.user.id}
      </Badge>
    )}
    <Paper
      px="sm"
      py={6}
      radius="md"
      bg={isOwn ? "var(--mantine-primary-color-light)" : "var(--mantine-color-default-hover)"}
    >
      <Text size="sm" className="weir-break">
        {message.text}
      </Text>
    </Paper>
  </Box>
)
