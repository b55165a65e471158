// The receipt of a revocation: when it held on which node, signed, so that it can be shown to somebody who was not here.

import { Anchor, Button, Group, Stack, Text } from "@mantine/core"
import { DownloadIcon } from "@primer/octicons-react"
import type { CallOutput } from "../api/client.ts"
import { saveText } from "../api/download.ts"
import { CodeBlock, Copyable } from "./copy.tsx"
import { Facts } from "./facts.tsx"
import { DataTable } from "./table.tsx"
import { absoluteTime } from "./time.tsx"

export type ReceiptFacts = NonNullable<CallOutput<"ListRevocations">["revocations"][number]["receipt"]>

const keysAddress = "/.well-known/weir-receipt-keys.json"

export function Receipt({ receipt }: { receipt: ReceiptFacts }) {
  const fileName = `weir-receipt-${receipt.id}.json`
  const commands = [
    `curl -o weir-receipt-keys.json ${location.origin}${keysAddress}`,
    `weir receipt verify ${fileName} --keys weir-receipt-keys.json`,
  ].join("\n")
  return (
    <Stack>
      <Facts
        facts={[
          ["Holds since", <Moment key="at" at={receipt.effective_at} />],
          ["From the commit to the last node", `${receipt.max_lag_ms} ms`],
          [receipt.mode === "shadow" ? "Sockets that would have closed" : "Sockets closed", receipt.sockets_closed],
        ]}
      />
      <DataTable
        caption="Nodes, and when each applied the revocation"
        rows={receipt.nodes}
        keyOf={({ id }) => id}
        columns={[
          { header: "Node", cell: ({ id }) => <code style={{ whiteSpace: "nowrap" }}>{id}</code> },
          {
            header: "Applied",
            cell: ({ applied_at }) =>
              applied_at === null ? (
                <Text span size="sm" c="dimmed">
                  did not answer
                </Text>
              ) : (
                <Moment at={applied_at} />
              ),
          },
          { header: "Sockets closed", numeric: true, cell: ({ sockets_closed }) => sockets_closed },
          {
            header: "From then on",
            cell: ({ fenced }) => (fenced ? "lets nobody in until it has caught up" : "refuses these tokens"),
          },
        ]}
        empty={
          <Text size="sm" c="dimmed">
            No node was live.
          </Text>
        }
      />
      <div>
        <Text size="xs" c="dimmed">
          Signature (Ed25519, key {receipt.key_id})
        </Text>
        <Copyable value={receipt.signature} label="Signature" shown={`${receipt.signature.slice(0, 32)}…`} />
      </div>
      <Group gap="xs">
        <Button
          variant="default"
          leftSection={<DownloadIcon />}
          onClick={() => saveText(fileName, `${JSON.stringify(receipt, null, 2)}\n`)}
        >
          Download as JSON
        </Button>
      </Group>
      <div>
        <Text size="sm" fw={600}>
          Verify it offline
        </Text>
        <Text size="sm" c="dimmed" mb={6}>
          Note the{" "}
          <Anchor href={keysAddress} target="_blank" rel="noreferrer" size="sm" inherit underline="always">
            public keys
          </Anchor>{" "}
          once, over a connection that you trust, and keep them. After that the check asks nobody.
        </Text>
        <CodeBlock code={commands} label="Commands that verify the receipt" />
      </div>
    </Stack>
  )
}

const clock = new Intl.DateTimeFormat("en", {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
})

/** To the millisecond, because that is what a receipt is about. */
const Moment = ({ at }: { at: string }) => (
  <time dateTime={at} title={absoluteTime(at)} className="weir-number">
    {clock.format(new Date(at))}
  </time>
)
