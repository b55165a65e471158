// A feed as one user has it: own posts, and those of whom they follow.

import { Badge, Button, Group, Paper, ScrollArea, Stack, Text, TextInput } from "@mantine/core"
import type { Activity } from "@weir/sdk-client"
import { type FormEvent, useCallback, useEffect, useMemo, useRef, useState } from "react"
import { TimeAgo } from "../parts/time.tsx"
import type { SideProps } from "./chat.tsx"

const activitiesShownMax = 20
const postCharsMax = 500

export function FeedSide({ me, other, session }: SideProps) {
  const [posts, setPosts] = useState<readonly Activity[]>([])
  const [isFollowing, setFollowing] = useState(false)
  const [text, setText] = useState("")
  const [busy, setBusy] = useState(false)
  const left = useRef(false)
  const loads = useRef(0)
  const feeds = useMemo(
    () => ({
      own: me.client.feed("user", me.id),
      others: me.client.feed("user", other.id),
      timeline: me.client.feed("timeline", me.id),
    }),
    [me, other],
  )

  const load = useCallback(
    () =>
      me.attempt("The feed was not read", async () => {
        const page = { limit: activitiesShownMax }
        loads.current += 1
        const turn = loads.current
        const [own, timeline] = await Promise.all([feeds.own.getOrCreate(page), feeds.timeline.getOrCreate(page)])
        // An answer that a newer question has overtaken knows less.
        if (left.current || turn !== loads.current) return
        const all = new Map([...own.activities, ...timeline.activities].map((activity) => [activity.id, activity]))
        setPosts([...all.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, activitiesShownMax))
        setFollowing(timeline.following.some(({ target_feed: target }) => target.feed === feeds.others.fid))
      }),
    [me, feeds],
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new session watches anew
  useEffect(() => {
    left.current = false
    const heard = (type: string): void => {
      if (!type.startsWith("feeds.")) return
      me.say("info", type)
      void load()
    }
    const ends = [
      feeds.own.on("*", ({ type }) => heard(type)),
      feeds.others.on("*", ({ type }) => heard(type)),
      me.client.on("connection.recovered", () => void load()),
    ]
    // What is read before the feeds are heard could miss a post in between.
    const watched = me.attempt("The feeds are not watched", async () => {
      await feeds.own.getOrCreate({ watch: true, limit: 1 })
      await feeds.others.getOrCreate({ watch: true, limit: 1 })
    })
    void watched.then(load)
    return () => {
      left.current = true
      for (const end of ends) end()
    }
  }, [feeds, me, load, session])

  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const written = text.trim()
    if (written === "") return
    setText("")
    void me.attempt("Not posted", () => feeds.own.addActivity({ type: "post", text: written })).then(load)
  }
  const toggle = async (): Promise<void> => {
    setBusy(true)
    await me.attempt(isFollowing ? "Not unfollowed" : "Not followed", () =>
      isFollowing ? feeds.timeline.unfollow(feeds.others.fid) : feeds.timeline.follow(feeds.others.fid),
    )
    await load()
    setBusy(false)
  }
  return (
    <Stack gap="xs">
      <Group justify="space-between" h={30}>
        <Text size="sm" c="dimmed">
          {isFollowing ? `Own posts and those of ${other.name}` : "Own posts only"}
        </Text>
        <Button
          size="compact-sm"
          variant={isFollowing ? "default" : "light"}
          loading={busy}
          onClick={() => void toggle()}
        >
          {isFollowing ? `Unfollow ${other.name}` : `Follow ${other.name}`}
        </Button>
      </Group>
      <ScrollArea
        h={234}
        type="auto"
        viewportProps={{ tabIndex: 0, role: "region", "aria-label": `Posts as ${me.name} sees them` }}
      >
        <Stack gap={6} p={4}>
          {posts.length === 0 ? (
            <Text size="sm" c="dimmed" ta="center" py="xl">
              Nothing here yet. Post something, or follow {other.name}.
            </Text>
          ) : null}
          {posts.map((post) => (
            <Paper
              key={post.id}
              withBorder
              px="sm"
              py={6}
              radius="md"
              component="article"
              aria-label={post.user.name ?? post.user.id}
            >
              <Group gap={6} justify="space-between">
                <Badge size="xs" variant="transparent" color="gray" px={0}>
                  {post.user.name ?? post.user.id}
                </Badge>
                <TimeAgo at={post.created_at} />
              </Group>
              <Text size="sm" className="weir-break">
                {post.text}
              </Text>
            </Paper>
          ))}
        </Stack>
      </ScrollArea>
      <form onSubmit={submit}>
        <Group gap="xs" wrap="nowrap">
          <TextInput
            aria-label={`Post of ${me.name}`}
            placeholder="Post something"
            value={text}
            maxLength={postCharsMax}
            onChange={(event) => setText(event.currentTarget.value)}
            style={{ flex: 1 }}
            autoComplete="off"
          />
          <Button type="submit" disabled={text.trim() === ""}>
            Post
          </Button>
        </Group>
      </form>
    </Stack>
  )
}
