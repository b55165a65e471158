// One operation: what it takes, the request that comes of it, and what was answered.

import { Alert, Badge, Button, Code, Group, Stack, Tabs, Text, Title } from "@mantine/core"
import { ArrowLeftIcon, InfoIcon } from "@primer/octicons-react"
import { useQuery } from "@tanstack/react-query"
import { type FormEvent, useRef, useState } from "react"
import { useMay } from "../../access/session.tsx"
import { addressFrom } from "../../api/client.ts"
import { explorerToken } from "../../api/public.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { CodeBlock } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp, useAppFacts } from "../../shell/apps.tsx"
import { AnswerSection } from "./answer.tsx"
import { BodyEditor, parseBody, sampleText } from "./body-editor.tsx"
import { curlOf, nodeOf } from "./code.ts"
import { type ApiOperation, isAdmin, isReading } from "./document.ts"
import { faultOf, Inputs, type Values, valuesIn } from "./inputs.tsx"
import { MethodBadge } from "./method-badge.tsx"
import { type Answer, send, timeoutMs } from "./send.ts"

export function OperationPanel({ operation, onBack }: { operation: ApiOperation; onBack: () => void }) {
  const app = String(useApp())
  const may = useMay()
  const name = useAppFacts()?.name
  const { id, method, path, summary, parameters, body: schema } = operation
  const asOperator = isAdmin(operation)
  const [values, setValues] = useState<Values>(
    asOperator && parameters.some((one) => one.name === "app") ? { app } : {},
  )
  const [text, setText] = useState(schema === null ? "" : sampleText(schema, false))
  const [asking, setAsking] = useState(false)
  const [sent, setSent] = useState<{ busy: boolean; answer: Answer | null; error: unknown }>(nothingSent)
  const stop = useRef<AbortController | null>(null)
  // Only the key, which every client knows, is shown of it.
  const explorer = useQuery({
    queryKey: ["explorer-key", app],
    queryFn: async () => (await explorerToken(app)).api_key,
    enabled: !asOperator,
  })
  const parsed = schema === null ? { value: undefined } : parseBody(text)
  const fault = parameters.map((one) => faultOf(one, values)).find((one) => one !== null) ?? null
  const isReady = fault === null && "value" in parsed
  const address = isReady
    ? addressFrom(path, {
        path: valuesIn("path", parameters, values),
        query: valuesIn("query", parameters, values),
      })
    : null

  const run = async (): Promise<void> => {
    if (address === null || !("value" in parsed)) return
    setAsking(false)
    setSent({ busy: true, answer: null, error: null })
    const controller = new AbortController()
    stop.current = controller
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(timeoutMs)])
    try {
      const answer = await send({ app, method, address, isAdmin: asOperator, body: parsed.value }, signal)
      setSent({ busy: false, answer, error: null })
    } catch (error) {
      setSent({ busy: false, answer: null, error: controller.signal.aborted ? null : error })
    }
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (isReading(operation)) void run()
    else setAsking(true)
  }
  return (
    <>
      <Section>
        <Stack gap="xs">
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<ArrowLeftIcon />}
            onClick={onBack}
            hiddenFrom="md"
            style={{ alignSelf: "flex-start" }}
          >
            All operations
          </Button>
          <Group gap="sm">
            <Title order={2} size="h4">
              {id}
            </Title>
            {isReading(operation) ? null : (
              <Badge variant="light" color="yellow">
                changes something
              </Badge>
            )}
          </Group>
          <Group gap="xs" wrap="nowrap" align="flex-start">
            <MethodBadge method={method} />
            <Code className="weir-break">{path}</Code>
          </Group>
          <Text size="sm">{summary}</Text>
          {asOperator || isReading(operation) || may("content.manage") ? null : (
            <Alert icon={<InfoIcon />} title="Your role only looks">
              It is refused when you send it, and the answer says why.
            </Alert>
          )}
          {asOperator || operation.access.includes("server") ? null : (
            <Alert icon={<InfoIcon />} color="yellow" title="Not for backends">
              Only {operation.access.join(", ")} may call it, so the explorer&rsquo;s server token is refused.
            </Alert>
          )}
        </Stack>
      </Section>
      <form onSubmit={submit}>
        <Section title="Request">
          <Stack>
            {parameters.length === 0 ? null : <Inputs parameters={parameters} values={values} onChange={setValues} />}
            {schema === null ? null : (
              <div>
                <BodyEditor schema={schema} text={text} onChange={setText} />
              </div>
            )}
            {parameters.length === 0 && schema === null ? (
              <Text size="sm" c="dimmed">
                It takes nothing.
              </Text>
            ) : null}
            <Group gap="xs">
              <Button type="submit" loading={sent.busy} disabled={!isReady}>
                {isReading(operation) ? "Send" : "Send…"}
              </Button>
              {sent.busy ? (
                <Button variant="default" onClick={() => stop.current?.abort()}>
                  Stop
                </Button>
              ) : null}
              {fault === null ? null : (
                <Text size="sm" c="dimmed">
                  Fill in what is needed first.
                </Text>
              )}
            </Group>
          </Stack>
        </Section>
      </form>
      {sent.error === null ? null : <ErrorAlert error={sent.error} title="No answer came" />}
      {sent.answer === null ? null : (
        <AnswerSection answer={sent.answer} fileName={`${id}.${asOperator ? "admin" : "public"}.txt`} />
      )}
      {address === null || !("value" in parsed) ? null : (
        <RequestCode
          request={{
            method,
            origin: location.origin,
            address,
            apiKey: asOperator ? null : (explorer.data ?? "YOUR_API_KEY"),
            body: parsed.value,
          }}
        />
      )}
      <ConfirmDialog
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Send ${id}`}
        confirm="Send"
        dangerous={method === "DELETE"}
        busy={sent.busy}
        error={null}
        onConfirm={() => void run()}
      >
        <Text size="sm">This changes something for real, {asOperator ? "as you" : `in the app ${name ?? app}`}.</Text>
        <Code block className="weir-break" style={{ whiteSpace: "pre-wrap" }}>
          {method} {address}
        </Code>
      </ConfirmDialog>
    </>
  )
}

const nothingSent = { busy: false, answer: null, error: null }

function RequestCode({ request }: { request: Parameters<typeof curlOf>[0] }) {
  const isOperators = request.apiKey === null
  return (
    <Section
      title="The same as code"
      description={
        isOperators
          ? "The token of the operator comes from WEIR_ADMIN_TOKEN in the environment."
          : "The token comes from WEIR_TOKEN in the environment: make one in the token workshop."
      }
    >
      <Tabs defaultValue="curl" keepMounted={false}>
        <Tabs.List mb="sm">
          <Tabs.Tab value="curl">curl</Tabs.Tab>
          <Tabs.Tab value="node">Node</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="curl">
          <CodeBlock code={curlOf(request)} label="The request for curl" />
        </Tabs.Panel>
        <Tabs.Panel value="node">
          <CodeBlock code={nodeOf(request)} label="The request for Node" />
        </Tabs.Panel>
      </Tabs>
    </Section>
  )
}
