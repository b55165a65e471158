// Secrets of a hook as they are shown this once, with the code that checks what they sign.

import { Stack, Text } from "@mantine/core"
import type { CallOutput } from "../../api/client.ts"
import { CodeBlock, Copyable, SecretOnce } from "../../parts/copy.tsx"

type NewSecret = CallOutput<"CreateHook">["secrets"][number]

const receiverCode = `import { expressWebhook } from "@weir/sdk-server"

app.post(
  "/hooks/weir",
  expressWebhook({
    secrets: [process.env.WEIR_HOOK_SECRET],
    onEvent: (event) => console.log(event.type),
  }),
)`

export function NewSecrets({ secrets, kind }: { secrets: readonly NewSecret[]; kind: string }) {
  const shared = secrets.find(({ alg }) => alg === "hmac")
  const pair = secrets.find(({ alg }) => alg === "ed25519")
  return (
    <Stack>
      {shared === undefined ? null : (
        <SecretOnce
          value={shared.value}
          label="Signing secret"
          hint="Your receiver checks each delivery with it. It is shown this once."
        />
      )}
      {pair === undefined || pair.public_key === null ? null : (
        <div>
          <Text size="sm" c="dimmed">
            Public key: checks the second signature, for receivers that should hold no secret
          </Text>
          <Copyable value={pair.public_key} label="public key" />
        </div>
      )}
      {kind !== "webhook" || shared === undefined ? null : (
        <div>
          <Text size="sm" c="dimmed" mb={4}>
            A receiver in Node
          </Text>
          <CodeBlock code={receiverCode} label="Code of a receiver" />
        </div>
      )}
    </Stack>
  )
}
