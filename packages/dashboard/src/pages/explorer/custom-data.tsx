// What the app itself stored with a thing, as it is.

import { Text } from "@mantine/core"
import { CodeBlock } from "../../parts/copy.tsx"
import { Section } from "../../parts/section.tsx"

export function CustomData({ custom, of }: { custom: object; of: string }) {
  return (
    <Section title="Custom data" description={`What your app stored with the ${of}.`}>
      {Object.keys(custom).length === 0 ? (
        <Text size="sm" c="dimmed">
          None.
        </Text>
      ) : (
        <CodeBlock code={JSON.stringify(custom, null, 2)} label={`Custom data of the ${of} as JSON`} />
      )}
    </Section>
  )
}
