// The feeds of an app, as far as they can be found: by name, by who follows whom, and by what was asked for of late.

import { Group, Select, Text } from "@mantine/core"
import { RssIcon, SearchIcon } from "@primer/octicons-react"
import { FilterInput, useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { nameOf, namePath, OpenByName } from "../explorer/open-by-name.tsx"
import { SeenLately } from "../explorer/seen-lately.tsx"
import { Follows } from "./follows.tsx"

const feedCharsMax = 320

export default function Feeds() {
  const path = useAppPath()
  const [source] = useFilter("source")
  const [target] = useFilter("target")
  const [status, setStatus] = useFilter("status")
  const faultOf = (name: string) => (name === "" || nameOf(name) !== null ? undefined : "such as user:jessica")
  const isRight = [source, target].every((name) => faultOf(name) === undefined)
  return (
    <>
      <PageHeader title="Feeds">
        What people post and whom they follow. Open a feed by its name to see its activities.
      </PageHeader>
      <OpenByName label="Feed" placeholder="user:jessica" addressOf={(name) => path(`/feeds${namePath(name)}`)} />
      <SeenLately
        what="Feeds"
        operations={["GetOrCreateFeed", "UpdateFeedMembers"]}
        pattern={/\/feed_groups\/([^/]+)\/feeds\/([^/]+)/}
        addressOf={(name) => path(`/feeds${namePath(name)}`)}
      />
      <Section title="Follows" description="Newest first, over all feeds of the app." flush>
        <Group px="md" pb="md" align="flex-start">
          <FilterInput
            parameter="source"
            label="Who follows"
            placeholder="timeline:jessica"
            maxLength={feedCharsMax}
            error={faultOf(source)}
            w={{ base: "100%", xs: 220 }}
          />
          <FilterInput
            parameter="target"
            label="Who is followed"
            placeholder="user:tom"
            maxLength={feedCharsMax}
            error={faultOf(target)}
            w={{ base: "100%", xs: 220 }}
          />
          <Select
            label="State"
            placeholder="All"
            size="sm"
            w={160}
            data={["accepted", "pending", "rejected"]}
            value={status === "" ? null : status}
            onChange={(value) => setStatus(value ?? "")}
            clearable
            clearButtonProps={{ "aria-label": "Show every state" }}
          />
        </Group>
        {isRight ? (
          <Follows
            caption="Follows, newest first"
            show={["source", "target"]}
            filter={{
              ...(source === "" ? {} : { source_feed: source }),
              ...(target === "" ? {} : { target_feed: target }),
              ...(status === "" ? {} : { status }),
            }}
            empty={
              source === "" && target === "" && status === "" ? (
                <EmptyState icon={RssIcon} title="No follow yet">
                  A follow appears when one feed follows another, such as timeline:jessica and user:tom.
                </EmptyState>
              ) : (
                <EmptyState icon={SearchIcon} title="No follow matches">
                  Names are compared whole. Take a filter away to see more.
                </EmptyState>
              )
            }
          />
        ) : (
          <Text size="sm" c="dimmed" px="md" pb="md">
            Write a feed as group:id to filter by it.
          </Text>
        )}
      </Section>
    </>
  )
}
